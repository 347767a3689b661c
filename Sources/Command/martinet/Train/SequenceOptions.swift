import ArgumentParser
import Training

/// How text becomes sequences, and how many a step learns from.
struct SequenceOptions: ParsableArguments {
  @Option(parsing: .unconditional, help: ArgumentHelp("Tokens that a sequence predicts.", valueName: "tokens"))
  var sequenceLength = 512

  @Option(parsing: .unconditional, help: ArgumentHelp("Sequences of a step, over all ranks.", valueName: "n"))
  var batchSequences = 32

  @Option(
    help: ArgumentHelp(
      """
      How documents become sequences: packed, one after another, seen by those after it; whole, as many as fit, \
      each seen by itself only; or cut, one in each. (default: packed; sft and distill: whole)
      """,
      valueName: "packed|whole|cut"))
  var packing: Packing?

  @Option(help: ArgumentHelp("Data that are scored and not learnt.", valueName: "file,…"))
  var heldOut: String?

  /// The first that says something; nil where all are as without.
  var firstGiven: String? {
    [
      ("--sequence-length", sequenceLength != 512), ("--batch-sequences", batchSequences != 32),
      ("--packing", packing != nil), ("--held-out", heldOut != nil),
    ].first { $0.1 }?.0
  }
}

extension Packing: ExpressibleByArgument {}
