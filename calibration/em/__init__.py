"""Marginal maximum likelihood on a grid: data, model, E-step, maximisation, standard errors.

Reading order: `packing` (responses as table rows), `items` (parameters and what they say over the
nodes), `latent` (the population), `likelihood` (the E-step and everything it yields), `maximise`,
`information`.
"""
