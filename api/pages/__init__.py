"""The candidate's pages: server-rendered, complete without JavaScript, in French and English.

Reading order: `language` (messages, French spacing, dates), `controls` (an item's native controls and
what they send back), `drawing` (the two small pictures), `protection` (headers, forms from our own pages
alone), `site` (templates and static files), `reception` (requests in, refusals out), `entry` and `routes`
(the addresses), `result`.
"""
