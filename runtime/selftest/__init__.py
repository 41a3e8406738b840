"""What a buyer runs on their own machine: the promises, put to the test on real processes."""
