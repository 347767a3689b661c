/// What is wrong with a step.
package enum StepFault: Sendable, Equatable {
  /// The loss of a sequence of the step is no number; `place`: what was the first that is not finite, in the order of
  /// the pass.
  case loss(sequence: Int?, place: String?)
  /// The gradient of a tensor, the first of the backward pass.
  case gradient(tensor: String)
  case spike(what: Measure, value: Double, median: Double)

  /// What spikes.
  package enum Measure: String, Sendable {
    case loss = "the loss"
    case gradientNorm = "the gradient's norm"
  }

  /// In a step whose prompts are on these lines of their file: the first are named.
  package func words(ofPrompts lines: [Int]) -> String {
    let named = lines.prefix(16).map(String.init).joined(separator: ", ")
    let rest = lines.count > 16 ? " and \(lines.count - 16) more" : ""
    return "\(words), in the sum of the whole step, whose prompts are on the lines \(named)\(rest)"
  }

  /// Without the sequence.
  var words: String {
    switch self {
    case .loss(_, let place): "the loss is no finite number" + (place.map { ", from \($0) on" } ?? "")
    case .gradient(let tensor): "the gradient of \(tensor) is no finite number"
    case .spike(let what, let value, let median):
      "\(what.rawValue) is \(Float(value)), and the median of the last steps \(Float(median))"
    }
  }
}
