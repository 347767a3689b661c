import MoEModel

/// Where a backward pass finds the values of parameters that the forward pass multiplied with: rounded as those were,
/// expanded to fp32, row after row.
package protocol ParameterValues: AnyObject {
  /// `[rows, columns]` of a matrix, `[count]` of a vector. A parameter that this rank does not hold must not be asked
  /// for.
  func values(_ id: ParameterID) -> UnsafePointer<Float>
  /// Where the gradient of an own expert's parameter is to be added up: it has its shape and is zero before the pass.
  func expertGradient(_ id: ParameterID) -> UnsafeMutablePointer<Float>
}
