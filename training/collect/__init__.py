"""Shadow runs: prompts asked of a model in both arms, graded, and written as rows of the log table.

prompts      the file of prompts, and a sample that covers rare tasks
plan         what is asked: prompt x arm or budget x attempt
checks       settings that are refused: arms that say the other one, credentials among parameters
providers    one try of one ask, through LiteLLM
spending     ceilings, and what a call may cost at worst
asking       a try, and again: retries, pace, what failed tries cost
graders      the final answer to a score; `numeric` reads numbers, `judge` has a model read answers
journal      what was answered, on disk before it is graded, and the grades
tally        a journal's records, added up
run          all of it, several asks at a time
estimate     what a run would ask and cost
report       what became of the asks
"""
