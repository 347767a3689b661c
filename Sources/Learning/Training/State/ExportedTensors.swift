import JSON
import MoEModel
import Tensors

/// Puts parameters, a piece at a time, to the places that published checkpoints keep them in, rounded to bf16, but for
/// those that are published in another type.
///
/// A piece whose elements follow each other in the file is written at once. Matrices that are stored turned, or whose
/// rows take turns with others', are gathered until all that shares their block of the tensor is there: at most an
/// expert's at a time.
final class ExportedTensors {
  private struct Block: Hashable {
    let tensor: String
    let index: Int
  }

  private let writer: ShardedWriter
  private var gathered: [Block: (values: [UInt16], missing: Int)] = [:]

  init(_ writer: ShardedWriter) { self.writer = writer }

  /// Writes elements of a parameter from `first` on.
  func add(_ parameter: SavePlan.Parameter, _ values: UnsafeBufferPointer<Float>, from first: Int) throws {
    switch parameter.type {
    case .float32:
      return try write(UnsafeRawBufferPointer(values), to: parameter.places, at: first * 4)
    case .int64:
      let numbers = values.map { value in
        // Held to the model where it was read; nothing learns it.
        guard let number = Int64(exactly: value) else { preconditionFailure("a table of experts with another number") }
        return number
      }
      return try numbers.withUnsafeBytes { try write($0, to: parameter.places, at: first * 8) }
    default: break
    }
    let rounded = [UInt16](unsafeUninitializedCapacity: values.count) { buffer, count in
      BFloat16.round(values, into: UnsafeMutableBufferPointer(rebasing: buffer[..<values.count]))
      count = values.count
    }
    for place in parameter.places {
      if place.step == 1, !place.isTurned {
        let columns = parameter.spec.isMatrix ? parameter.spec.columns : 1
        let start = (place.index * place.rows + place.first) * columns + first
        try rounded.withUnsafeBytes { try writer.write(place.name, $0, at: start * 2) }
      } else {
        try gather(parameter.spec, place, rounded, from: first)
      }
    }
  }

  private func write(_ bytes: UnsafeRawBufferPointer, to places: [TensorPlace], at offset: Int) throws {
    for place in places { try writer.write(place.name, bytes, at: offset) }
  }

  private func gather(_ spec: ParameterSpec, _ place: TensorPlace, _ values: [UInt16], from first: Int) throws {
    let columns = spec.isMatrix ? spec.columns : 1
    let key = Block(tensor: place.name, index: place.index)
    let size = place.rows * columns
    var block = gathered.removeValue(forKey: key) ?? (values: Array(repeating: 0, count: size), missing: size)
    for (i, value) in values.enumerated() {
      let (row, column) = ((first + i) / columns, (first + i) % columns)
      let stored = place.first + place.step * row
      block.values[place.isTurned ? column * place.rows + stored : stored * columns + column] = value
    }
    block.missing -= values.count
    guard block.missing == 0 else {
      gathered[key] = block
      return
    }
    try block.values.withUnsafeBytes { try writer.write(place.name, $0, at: place.index * size * 2) }
  }
}

/// The settings of an exported folder.
enum ExportedConfig {
  /// Those of a shape, for bf16 weights without quantisation. `predictionLayers`: modules that are in the folder.
  static func json(_ config: JSONValue, predictionLayers: Int) -> JSONValue {
    var members = config.object ?? JSONObject()
    CompositeModel.replaceQuantization(in: &members, with: nil)
    if members["dtype"] != nil { members["dtype"] = "bfloat16" }
    if members["torch_dtype"] != nil || members["dtype"] == nil { members["torch_dtype"] = "bfloat16" }
    CompositeModel.replaceModuleCount(in: &members, with: predictionLayers)
    return .object(members)
  }
}
