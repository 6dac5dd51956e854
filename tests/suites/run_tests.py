"""Runs modules of CPython's own tests; prints how each test ended, and its name."""

import os
import sys
import unittest


class Lines(unittest.TestResult):
    """Prints outcomes to a file, and why a test did not pass to standard error."""

    def __init__(self, out):
        super().__init__()
        self.out = out

    def say(self, outcome, test, why=""):
        print(outcome, test.id(), file=self.out, flush=True)
        if outcome != "passed":
            print(f"{outcome}: {test.id()}: {why}", file=sys.stderr)

    def addSuccess(self, test):
        self.say("passed", test)

    def addError(self, test, err):
        self.say("error", test, self._exc_info_to_string(err, test))

    def addFailure(self, test, err):
        self.say("failed", test, self._exc_info_to_string(err, test))

    def addSkip(self, test, reason):
        self.say("skipped", test, reason)

    def addExpectedFailure(self, test, err):
        self.say("failed-as-expected", test)

    def addUnexpectedSuccess(self, test):
        self.say("passed-unexpectedly", test)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.say("failed", subtest, self._exc_info_to_string(err, test))


# What tests print themselves goes to standard error.
out = os.fdopen(os.dup(1), "w")
os.dup2(2, 1)
for name in sys.argv[1:]:
    unittest.defaultTestLoader.loadTestsFromName(name).run(Lines(out))
