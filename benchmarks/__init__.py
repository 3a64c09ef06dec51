"""How fast, how cheap and how prompt rigd is, against the limits of the machine.

`python -m benchmarks` runs them all. Each compares the real writer process with
something bare in the same round: ratios hold on a busy machine, MB/s do not.
"""
