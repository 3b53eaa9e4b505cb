"""Print the LSAT section 7 responses as CSV: 1000 persons, 5 items.

Bock, R. D., & Lieberman, M. (1970). Fitting a response model for n dichotomously scored items.
Psychometrika, 35, 179-197: how many persons gave each of the 32 response patterns, 00000 to 11111.
"""

COUNTS = (
    12, 19, 1, 7, 3, 19, 3, 17,
    10, 5, 3, 7, 7, 23, 8, 28,
    7, 39, 11, 34, 14, 51, 15, 90,
    6, 25, 7, 35, 18, 136, 32, 308,
)  # fmt: skip

print("person," + ",".join(f"Item.{i}" for i in range(1, 6)))
person = 0
for pattern, count in enumerate(COUNTS):
    for _ in range(count):
        person += 1
        print(f"{person}," + ",".join(format(pattern, "05b")))
