import Checkpoints
import ExpertParallelism
import Fabric
import Gradients
import Kernels
import MoEModel

/// What ranks take for a model that is asked, over a training's sequences, what follows their tokens.
package struct TeacherMemory: Sendable {
  private let description: DecoderDescription
  private var terms: TrainingLayout.Terms
  private var placement: ExpertPlacement
  /// Bytes of weights that every rank holds, and of one expert of all layers.
  private let commonBytes: Int
  private let expertBytes: Int

  /// From the checkpoint's headers; throws where they are not those of the description.
  package init(_ description: DecoderDescription, checkpoint: any Checkpoint, _ terms: TrainingLayout.Terms) throws {
    self.description = description
    (self.terms, placement) = Self.laidOut(description, terms)
    func bytes(_ owns: (Int, Int) -> Bool) throws -> Int {
      try WeightBudget.measure(
        description, checkpoint: checkpoint, workerCount: terms.workerCount, owns: owns
      ).memoryBytes
    }
    commonBytes = try bytes { _, _ in false }
    expertBytes = description.moe == nil ? 0 : try bytes { _, expert in expert == 0 } - commonBytes
  }

  /// Of its layers as much as a training that keeps nothing but their inputs: a little more than it takes.
  private static func laidOut(
    _ description: DecoderDescription, _ terms: TrainingLayout.Terms
  ) -> (TrainingLayout.Terms, ExpertPlacement) {
    var terms = terms
    (terms.recomputes, terms.products, terms.checkpoints) = (true, .float32, nil)
    return (
      terms, ExpertPlacement(expertCount: description.moe?.expertCount ?? 0, rankCount: terms.rankCount)
    )
  }

  /// The same model on other ranks.
  package func laidOut(_ terms: TrainingLayout.Terms) -> TeacherMemory {
    var other = self
    (other.terms, other.placement) = Self.laidOut(description, terms)
    return other
  }

  /// Bytes of the teacher that a rank holds.
  package func byteCount(ofRank rank: Int) -> Int {
    let passes = TrainingMemory(TrainingLayout(description, terms), rank: rank)
    let parts: [TrainingMemory.Part] = [.activations, .experts, .logits, .cache, .messages]
    let weights = commonBytes + expertBytes * placement.expertCount(of: Rank(rank))
    return parts.reduce(weights) { $0 + min(passes.byteCount($1), Int.max / 16) }
  }
}
