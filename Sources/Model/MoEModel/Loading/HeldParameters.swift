import Kernels
import Tensors

/// A rank's parameters in memory, by what they are for.
package struct HeldParameters: Sendable {
  private let table: ParameterTable
  private var matrices: [ParameterID: [PackedMatrix]] = [:]
  private var vectors: [ParameterID: AlignedBuffer<Float>] = [:]
  /// What layers have made of a vector, made again when it is replaced.
  private var followers: [ParameterID: @Sendable (_ values: UnsafePointer<Float>) -> Void] = [:]

  init(_ table: ParameterTable) { self.table = table }

  mutating func add(_ id: ParameterID, _ parts: [PackedMatrix]) { matrices[id] = parts }
  mutating func add(_ id: ParameterID, _ vector: AlignedBuffer<Float>) { vectors[id] = vector }

  /// Has what layers made of vectors follow when these are replaced.
  mutating func follow(_ weights: ModelWeights, _ description: DecoderDescription) {
    for (index, layer) in weights.runLayers.enumerated() {
      if let moe = description.moe, case .moe(let own) = layer.feedForward, let table = own.tokenExperts {
        let id = ParameterID(.tokenExperts, layer: index)
        let format = TokenExpertTable(moe, tensor: description.names.tensor(id))
        followers[id] = { format.write($0, into: table) }
      }
      guard case .delta(let delta) = layer.attention, case .delta(let shape) = description.ownAttentions[index] else {
        continue
      }
      let (convolution, rate, taps) = (delta.convolution, delta.decayRate, shape.taps)
      let channels = Array(description.ownChannels(ofLayer: index).joined())
      followers[ParameterID(.delta(.convolution), layer: index)] = {
        GatedDeltaWeights.turn($0, channels: channels, taps: taps, into: convolution)
      }
      followers[ParameterID(.delta(.decayRate), layer: index)] = { GatedDeltaWeights.rates($0, into: rate) }
    }
  }

  /// Nil where the model has no such vector.
  func vector(_ id: ParameterID) -> AlignedBuffer<Float>? { vectors[table.holder(of: id)] }

  /// The parts of a matrix: one, unless it is cut up by heads. Nil where this rank holds none.
  func parts(_ id: ParameterID) -> [PackedMatrix]? { matrices[table.holder(of: id)] }

  /// Puts new values, `[rows, columns]` or `[count]`, in the place of a parameter that this rank holds, each rounded
  /// once to the format it is held in; `worker` does its share. Layers must not run meanwhile.
  package func replace(_ spec: ParameterSpec, with values: UnsafePointer<Float>, worker: Int) {
    guard spec.isMatrix else {
      guard worker == 0 else { return }
      holder(spec)?.pointer.update(from: values, count: spec.rows)
      followers[spec.id]?(values)
      return
    }
    guard let matrices = parts(spec.id) else { return }
    for (matrix, part) in zip(matrices, spec.parts) {
      matrix.replace(worker: worker) { row, target in
        let first = values + part.first + row * part.rowStride
        if part.columnStride == 1 {
          target.update(from: first, count: matrix.columns)
        } else {
          for column in 0..<matrix.columns { target[column] = first[column * part.columnStride] }
        }
      }
    }
  }

  /// Where a vector lies: a bias with its matrix.
  private func holder(_ spec: ParameterSpec) -> AlignedBuffer<Float>? {
    guard spec.id.isBias else { return vector(spec.id) }
    var matrix = spec.id
    matrix.isBias = false
    return parts(matrix)?.first?.bias
  }
}
