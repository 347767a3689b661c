import Telemetry

extension StepReplay {
  /// Means over steps, in seconds, but for bytes.
  package struct Outcome: Sendable {
    package var seconds = 0.0
    /// Of the mean rank: own work; messages it waited for; ranks that were late.
    package var computing = 0.0
    package var communicating = 0.0
    package var waiting = 0.0
    /// Of its own work: routed experts, attention, dense layers, shared experts, routers; embedding and head; rows
    /// copied into messages and out of them, and added up.
    package var experts = 0.0
    package var attention = 0.0
    package var dense = 0.0
    package var shared = 0.0
    package var gate = 0.0
    package var head = 0.0
    package var copies = 0.0
    package var bytesBetweenHosts = 0.0
    /// The least that would do: each token once to each host that it visits, and one row back; of slices each rank's
    /// part once to each other host.
    package var neededBetweenHosts = 0.0
    /// What the rank with most to do had over the mean, in the layers and steps looked at.
    package var busiest = BusiestRank()
    package init() {}

    private static var parts: [WritableKeyPath<Outcome, Double>] {
      [
        \.seconds, \.computing, \.communicating, \.waiting, \.experts, \.attention, \.dense, \.shared, \.gate, \.head,
        \.copies, \.bytesBetweenHosts, \.neededBetweenHosts,
      ]
    }

    /// Every number but the busiest rank's times this.
    func times(_ factor: Double) -> Outcome {
      var outcome = self
      for part in Self.parts { outcome[keyPath: part] *= factor }
      return outcome
    }

    /// Every time times this.
    func slowed(by factor: Double) -> Outcome {
      var outcome = times(factor)
      (outcome.bytesBetweenHosts, outcome.neededBetweenHosts) = (bytesBetweenHosts, neededBetweenHosts)
      return outcome
    }

    static func += (a: inout Outcome, b: Outcome) {
      for part in parts { a[keyPath: part] += b[keyPath: part] }
      a.busiest += b.busiest
    }

    /// Own work of the mean rank, by name, in the order of a step.
    package var phases: [(name: String, seconds: Double)] {
      [
        ("attention", attention), ("dense", dense), ("gate", gate), ("shared", shared), ("experts", experts),
        ("head", head), ("copies", copies),
      ]
    }
  }
}
