"""QTI: 3.0 in and out, 2.x in. What is not supported is listed item by item, with its line."""
