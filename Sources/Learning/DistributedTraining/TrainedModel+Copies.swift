import Kernels
import Machine
import ModelRuntime
import MoEModel
import Tensors
import Training

/// Other models with the numbers of the one in training: what it was, or was once.
extension TrainedModel {
  /// Numbers of a whole parameter, as they are stored.
  package typealias Numbers = (_ spec: ParameterSpec, _ buffer: UnsafeMutableBufferPointer<Float>) throws -> Void

  /// Gives `other`, held in the same format, this model's weights as passes see them now.
  package func copy(to other: LoadedModel) {
    guard let held = other.weights.parameters else { preconditionFailure("weights that were not loaded") }
    compute.pool.run { worker in
      for parameter in parameters { held.replace(parameter.spec, with: parameter.values.pointer, worker: worker) }
    }
  }

  /// Gives it what `numbers` writes, rounded as this model's are.
  package func fill(_ other: LoadedModel, with numbers: Numbers) throws {
    guard let held = other.weights.parameters else { preconditionFailure("weights that were not loaded") }
    let longest = parameters.reduce(1) { max($0, $1.spec.elementCount) }
    let (read, rounded) = (AlignedBuffer<Float>(count: longest), AlignedBuffer<Float>(count: longest))
    for parameter in parameters {
      let count = parameter.spec.elementCount
      try numbers(parameter.spec, UnsafeMutableBufferPointer(start: read.pointer, count: count))
      if isRounded(parameter) {
        BFloat16.round(read.pointer, to: rounded.pointer, count: count)
      } else {
        rounded.pointer.update(from: read.pointer, count: count)
      }
      let offset = parameter.spec.offset
      if offset != 0 { for i in 0..<count { rounded.pointer[i] += offset } }
      compute.pool.run { held.replace(parameter.spec, with: rounded.pointer, worker: $0) }
    }
  }
}
