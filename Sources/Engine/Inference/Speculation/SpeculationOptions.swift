import Checkpoints
import MoEModel

/// Where drafts come from: tokens taken for a sequence's next ones, several of which one step can look at.
package enum SpeculationMode: String, Sendable, CaseIterable {
  case off
  /// The prediction module where the model has one, gone on with by look-up; look-up alone elsewhere.
  case auto
  /// The model's own multi-token prediction module, or all of them that draft blocks together.
  case mtp
  /// What followed the sequence's latest tokens where it had them before.
  case lookup
}

/// Whether and how steps try tokens ahead. Drafts change no bit of what is sampled, only how many steps it takes.
package struct SpeculationOptions: Sendable {
  package var mode = SpeculationMode.off
  /// Most drafts of a sequence in a step.
  package var draftTokens = 3
  /// Stops drafting under loads where steps without drafts were measured to bring more tokens a second.
  package var adapts = true
  package init() {}

  package static let draftTokensRange = 1...15
  /// Drafts of all sequences of a rank that a step has room for at least where layers keep recurrent states: drafts
  /// pay where sequences are few, and a state may take 100 MiB.
  static let leastStates = 8

  /// Whether the model's prediction module is to be loaded. Throws `InferenceError.noPredictionModule` where it is
  /// asked for and there is none, and `ModelError` where it is not whole.
  package func loadsModule(of description: DecoderDescription, in checkpoint: any Checkpoint) throws -> Bool {
    guard mode == .mtp || mode == .auto else { return false }
    guard description.predictionLayerCount > 0 else {
      guard mode == .auto else { throw InferenceError.noPredictionModule(family: description.family) }
      return false
    }
    do { try description.checkPrediction(in: checkpoint) } catch let error as ModelError {
      guard mode == .auto else { throw error }
      return false
    }
    return true
  }

  /// How drafts are made with a model that was loaded so; nil where there are none.
  func drafter(for description: DecoderDescription) -> Drafter? {
    guard mode != .off else { return nil }
    let predicts = mode != .lookup && description.predicts
    guard predicts || mode != .mtp else { return nil }
    // Without look-up as many as there are guesses.
    let guesses = description.blockDrafting?.blockSize ?? 1
    return Drafter(
      predicts: predicts, looksUp: mode != .mtp, limit: mode == .mtp ? min(guesses, draftTokens) : draftTokens,
      adapts: adapts)
  }

  /// What a user should know of how it was taken.
  package func note(on description: DecoderDescription) -> String? {
    guard mode == .auto, !description.predicts else { return nil }
    return description.predictionLayerCount == 0
      ? "--speculate auto drafts by look-up alone: the checkpoint has no multi-token prediction layer"
      : """
      --speculate auto drafts by look-up alone: the checkpoint's multi-token prediction layer is not whole; \
      --speculate mtp tells what is missing
      """
  }
}
