"""One file per stage, named by its verb. A stage returns an Outcome and writes nothing."""
