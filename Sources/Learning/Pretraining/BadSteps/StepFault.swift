/// What is wrong with a step.
package enum StepFault: Sendable, Equatable {
  /// The loss of a sequence of the step is no number; `place`: what was the first that is not finite, in the order of the pass.
  case loss(sequence: Int?, place: String?)
  /// The gradient of a tensor, the first of the backward pass.
  case gradient(tensor: String)
  case spike(what: String, value: Double, median: Double)

  /// Without the sequence.
  var words: String {
    switch self {
    case .loss(_, let place): "the loss is no finite number" + (place.map { ", from \($0) on" } ?? "")
    case .gradient(let tensor): "the gradient of \(tensor) is no finite number"
    case .spike(let what, let value, let median):
      "\(what) is \(Float(value)), and the median of the last steps \(Float(median))"
    }
  }
}
