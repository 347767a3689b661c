import ExpertParallelism
import MoEModel
import TestSupport

@testable import Inference

extension ExpertLoads {
  /// Visits that put everything on a few experts: of each a power of two, up to that of `greatest`.
  static func skewed(_ session: GenerationSession, upTo greatest: Int, seed: UInt64) -> ExpertLoads {
    var generator = SeededGenerator(seed)
    let layers = session.description.moeLayers
    let experts = session.description.moe?.expertCount ?? 0
    let powers = layers.map { _ in (0..<experts).map { _ in Int.random(in: 0...greatest, using: &generator) } }
    return ExpertLoads(layers: layers, visits: powers.map { $0.map { Double(1 << $0) } }, steps: 2)
  }
}
