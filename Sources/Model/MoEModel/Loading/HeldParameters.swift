import Kernels
import Tensors

/// A rank's parameters in memory, by what they are for.
struct HeldParameters {
  private let table: ParameterTable
  private var matrices: [ParameterID: [PackedMatrix]] = [:]
  private var vectors: [ParameterID: AlignedBuffer<Float>] = [:]

  init(_ table: ParameterTable) { self.table = table }

  mutating func add(_ id: ParameterID, _ parts: [PackedMatrix]) { matrices[id] = parts }
  mutating func add(_ id: ParameterID, _ vector: AlignedBuffer<Float>) { vectors[id] = vector }

  /// Nil where the model has no such vector.
  func vector(_ id: ParameterID) -> AlignedBuffer<Float>? { vectors[table.holder(of: id)] }

  /// The parts of a matrix: one, unless it is cut up by heads. Nil where this rank holds none.
  func parts(_ id: ParameterID) -> [PackedMatrix]? { matrices[table.holder(of: id)] }
}
