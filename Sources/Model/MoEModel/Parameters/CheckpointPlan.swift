import Checkpoints
import JSON
import Tensors

/// The tensors that an unquantised checkpoint of some description has, in the published layout.
package struct CheckpointPlan {
  /// A tensor to be written.
  package struct Tensor: Sendable {
    package var entry: TensorEntry
    /// The first of the parameters that lie in it: all are of one kind.
    package var parameter: ParameterSpec
  }

  package private(set) var tensors: [Tensor] = []
  package private(set) var byteCount = 0
  package private(set) var parameterCount = 0

  /// `type`: of all tensors but the routers' selection bias, which is published in F32, as is what hyper-connections,
  /// entries of several tokens and decays of gated DeltaNet weigh with, and tables of experts by token.
  ///
  /// Throws for descriptions with quantised weights, and for more tensors or bytes than a checkpoint can have.
  package init(_ description: DecoderDescription, type: ElementType) throws {
    guard description.quantization == .none else {
      throw ModelError.unsupported(
        key: "quantization_config", value: "\(description.quantization)", remedy: "plan the unquantised checkpoint")
    }
    let limit = CheckpointLimits()
    var seen: Set<ExactString> = []
    for spec in ParameterTable(description) {
      let place = description.names.place(of: spec, expertCount: description.moe?.expertCount ?? 0)
      guard seen.insert(ExactString(place.name)).inserted else { continue }
      let type = spec.role.publishedType ?? type
      let shape = place.shape(of: spec)
      guard tensors.count < limit.tensorCount, let bytes = TensorEntry.byteCount(of: shape, type),
        bytes <= limit.fileByteCount, byteCount + bytes <= limit.fileByteCount
      else {
        throw ModelError.inconsistent(
          """
          the model has more than \(limit.tensorCount) tensors or \(limit.fileByteCount >> 40) TiB, counted up to \
          \(place.name.debugDescription)
          """
        )
      }
      let entry = TensorEntry(
        name: place.name, type: type, shape: shape, fileIndex: 0, byteOffset: byteCount, byteCount: bytes)
      tensors.append(Tensor(entry: entry, parameter: spec))
      byteCount += bytes
      parameterCount += entry.elementCount
    }
  }
}
