import Fabric
import Tensors
import Testing
import Training

@testable import DistributedTraining

/// What became of a few steps of a tiny training.
struct TinyOutcome: Sendable, Equatable {
  var results: [StepResult]
  /// Masters by name, whole, as bits.
  var masters: [String: [UInt32]]

  init(of training: TinyTraining, ranks: Int = 1, steps: Int = 3) throws {
    let found = try LocalFabric.run(size: ranks) { communicator -> ([StepResult], [(String, Int, [UInt32])]) in
      let trainer = try training.trainer(communicator)
      let results = try (1...steps).map { try training.step($0, trainer, rate: 3e-3) }
      return (
        results,
        trainer.model.parameters.filter { !$0.own.isEmpty }.map {
          ($0.name, $0.own.lowerBound, $0.numbers(.master).buffer[..<$0.own.count].map(\.bitPattern))
        }
      )
    }
    for other in found.dropFirst() { #expect(other.0 == found[0].0) }
    var masters: [String: [UInt32]] = [:]
    for (name, _, bits) in found.flatMap(\.1).sorted(by: { ($0.0, $0.1) < ($1.0, $1.1) }) {
      masters[name, default: []] += bits
    }
    (results, self.masters) = (found[0].0, masters)
  }

  /// Names of parameters that the other run left with other bits.
  func differing(from other: TinyOutcome) -> [String] {
    masters.keys.filter { masters[$0] != other.masters[$0] }.sorted()
  }
}
