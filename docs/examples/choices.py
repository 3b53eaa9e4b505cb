"""Print the answers of 400 simulated persons to 12 questions with the options A to D, as CSV.

Everything is invented. The right answers are ``B C A D B A C D A B C D``; a key that says otherwise is wrong.
"""

import random

KEY = "BCADBACDABCD"
draw = random.Random(7)  # noqa: S311 - an example, not a secret

print("person," + ",".join(f"Q{k + 1}" for k in range(len(KEY))))
for person in range(400):
    ability = draw.gauss(0.0, 1.0)
    answers = []
    for k, right in enumerate(KEY):
        difficulty = -1.5 + 3.0 * k / (len(KEY) - 1)
        knows = draw.random() < 1.0 / (1.0 + 2.718281828 ** (-1.5 * (ability - difficulty)))
        answers.append(right if knows else draw.choice([o for o in "ABCD" if o != right]))
    print(f"p{person + 1}," + ",".join(answers))
