import Checkpoints
import Fabric
import MoEModel

/// A checkpoint that all ranks have opened and described, and found to have the same files: cheap, and before anything
/// is reserved.
package struct OpenedModel {
  package let checkpoint: any Checkpoint
  package private(set) var description: DecoderDescription
  /// What `prepare` found.
  package let preparation: Int
  let agreement: WeightAgreement

  /// Opens what lies at `path`, in whatever format. Collective, as the other initialiser.
  package init(
    _ path: String, holding weights: WeightPrecision, on communicator: any Communicator,
    prepare: (any Checkpoint, DecoderDescription) throws -> Int = { _, _ in 0 }
  ) throws {
    try self.init(opening: { try CheckpointFormat.open(path) }, holding: weights, on: communicator, prepare: prepare)
  }

  /// As below. `predicting`: with a multi-token prediction module, which the checkpoint must have.
  package init(
    opening open: () throws -> any Checkpoint, holding weights: WeightPrecision, predicting: Bool = false,
    on communicator: any Communicator,
    prepare: (any Checkpoint, DecoderDescription) throws -> Int = { _, _ in 0 }
  ) throws {
    try self.init(
      opening: open, holding: weights, predictingWhere: { _, _ in predicting }, on: communicator, prepare: prepare)
  }

  /// Calls `open` and compares configuration, index and headers of all ranks. `prepare` sees checkpoint and description
  /// before the other ranks' are compared; it may find that the model cannot serve what is wanted, and returns a number
  /// of its caller's. `predicts` says whether the model is to have a multi-token prediction module, which the
  /// checkpoint must have then. Collective; fails on all ranks with the same error.
  package init(
    opening open: () throws -> any Checkpoint, holding weights: WeightPrecision,
    predictingWhere predicts: (any Checkpoint, DecoderDescription) throws -> Bool, on communicator: any Communicator,
    prepare: (any Checkpoint, DecoderDescription) throws -> Int = { _, _ in 0 }
  ) throws {
    let (checkpoint, description, preparation) = try agree(on: communicator) {
      let checkpoint = try open()
      var description = try ModelConfiguration.read(checkpoint).holding(weights)
      if try predicts(checkpoint, description) { description = description.predicting() }
      return (checkpoint, description, try prepare(checkpoint, description))
    }
    (self.checkpoint, self.description, self.preparation) = (checkpoint, description, preparation)
    agreement = try WeightAgreement(checkpoint, communicator: communicator)
    try agreement.compareFiles()
  }

  /// The same, of which a rank is to hold `slice`; all of it where that is nil.
  package func sliced(_ slice: ModelSlice?) -> OpenedModel {
    guard let slice else { return self }
    var opened = self
    opened.description = description.sliced(slice)
    return opened
  }

  /// What a user should know of it on `ranks` ranks.
  package func notes(ranks: Int, layout: RankLayout = .spread) -> [String] {
    var notes: [String] = []
    if let remark = checkpoint.remark { notes.append(remark) }
    if description.predictionLayerCount > 0, !description.predicts {
      notes.append(
        """
        left out the checkpoint's multi-token prediction layers (\(description.predictionLayerCount)): decoding \
        does not need them (--speculate mtp drafts with \(description.blockDrafting == nil ? "the first" : "them"))
        """
      )
    }
    if description.outerPredictionLayerCount > 0 {
      notes.append(
        """
        left out the checkpoint's multi-token prediction layers (\(description.outerPredictionLayerCount)): they \
        are of a kind that does not draft here, and decoding does not need them
        """
      )
    }
    if let composite = description.compositeNote { notes.append(composite) }
    if let rounding = description.roundingNote { notes.append(rounding) }
    if let unread = description.unreadNote { notes.append(unread) }
    if let moe = description.moe, ranks > moe.expertCount {
      notes.append(
        """
        \(ranks) ranks share \(moe.expertCount) experts: \(ranks - moe.expertCount) of them own none and \
        only attend
        """
      )
    } else if description.moe == nil, ranks > 1, layout == .spread {
      notes.append(
        "a dense model has no experts to spread: every rank holds all of it, and ranks share out the sequences")
    }
    return notes
  }
}
