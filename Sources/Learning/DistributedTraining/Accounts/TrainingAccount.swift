import Fabric
import Training

/// What came of a training, beside what was said of it before: memory, speed, time and cost.
package struct TrainingAccount: Sendable {
  /// A rank's memory: what was said, and by how much the process grew; nil where the kernel does not tell.
  package struct Memory: Sendable, Equatable {
    package let rank: Int
    package let predicted: Int
    package let measured: Int?
  }

  package let forecast: TrainingForecast
  package private(set) var steps = 0
  /// Predicted in the steps of this run.
  package private(set) var tokens = 0
  /// Of its steps, and of the whole run with scores and checkpoints.
  package private(set) var stepSeconds = 0.0
  package private(set) var seconds = 0.0
  /// By rank, once the run is over.
  package private(set) var memory: [Memory] = []
  /// Of the first step, which makes room for all others.
  private var firstSeconds = 0.0
  private var firstTokens = 0
  /// When it had ended, since the run began.
  private var firstEnd = 0.0
  private let began = ContinuousClock.now
  private let residentBefore: Int?
  private let predictedBytes: Int

  /// Begins with what is predicted of this rank's memory, of which it holds nothing yet: `resident` bytes are something
  /// else's.
  package init(_ forecast: TrainingForecast, predictedBytes: Int, resident: Int?) {
    (self.forecast, self.predictedBytes, residentBefore) = (forecast, predictedBytes, resident)
    PeakMemory.reset()
  }

  package mutating func add(_ report: StepReport) {
    seconds = (ContinuousClock.now - began) / .seconds(1)
    if steps == 0 { (firstSeconds, firstTokens, firstEnd) = (report.seconds, report.result.predicted, seconds) }
    steps += 1
    tokens += report.result.predicted
    stepSeconds += report.seconds
  }

  /// Of steps alone, without the first where there are others.
  package var tokensPerSecond: Double {
    let (count, time) =
      steps > 1 ? (tokens - firstTokens, stepSeconds - firstSeconds) : (tokens, stepSeconds)
    return time > 0 ? Double(count) / time : 0
  }

  /// The forecast is of the steps that this run has to take.
  private var stepsLeft: Int { max(0, forecast.steps - steps) }

  /// Seconds until the last step, from what steps after the first took so far with what came between them.
  package var secondsLeft: Double {
    guard steps > 0 else { return 0 }
    return Double(stepsLeft) * (steps > 1 ? (seconds - firstEnd) / Double(steps - 1) : stepSeconds)
  }

  package func cost(_ rates: TrainingCost.Rates) -> TrainingCost {
    TrainingCost(tokens: Double(tokens), nodeHours: seconds * Double(forecast.nodes) / 3600, rates)
  }

  package func costLeft(_ rates: TrainingCost.Rates) -> TrainingCost {
    TrainingCost(
      tokens: Double(stepsLeft) * Double(tokens) / Double(max(1, steps)),
      nodeHours: secondsLeft * Double(forecast.nodes) / 3600, rates)
  }

  /// Gathers what ranks came to hold. Collective; once, at the end.
  package mutating func close(on communicator: any Communicator) throws {
    seconds = (ContinuousClock.now - began) / .seconds(1)
    var values = [Int64](repeating: 0, count: 2 * communicator.size)
    let own = 2 * communicator.rank.index
    values[own] = Int64(predictedBytes)
    values[own + 1] = PeakMemory.byteCount.flatMap { peak in residentBefore.map { Int64(max(1, peak - $0)) } } ?? 0
    let all = try communicator.allReduce(values, .sum)
    memory = (0..<communicator.size).map {
      Memory(rank: $0, predicted: Int(all[2 * $0]), measured: all[2 * $0 + 1] > 0 ? Int(all[2 * $0 + 1]) : nil)
    }
  }

  /// The rank of which most was said.
  package var busiest: Memory? { memory.max { ($0.predicted, $1.rank) < ($1.predicted, $0.rank) } }
}
