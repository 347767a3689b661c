/// One parameter of a model: a matrix or a vector, wherever and in whatever format it is stored.
package struct ParameterSpec: Hashable, Sendable {
  package var id: ParameterID
  /// `[rows, columns]` of a matrix, `[count]` of a vector.
  package var shape: [Int]
  package var use: WeightPrecision.Use
  /// The parts of each head that it is held and used in; nil for what is held whole.
  var heads: LatentHeads?
  /// How many parts of equal rows it is held in, of which each meets other columns; nil for what is held whole.
  var groups: Int? = nil
  /// The shape of its tensor where that is another one with as many elements.
  var storedShape: [Int]? = nil
  /// Its values are what is stored and this.
  package var offset: Float = 0

  package var role: ParameterRole { id.role }
  package var layer: Int? { id.layer }
  package var expert: Int? { id.expert }
  package var isMatrix: Bool { shape.count == 2 }
  package var rows: Int { shape[0] }
  /// Of a matrix: what its products take.
  package var columns: Int { shape[1] }
  package var elementCount: Int { shape.reduce(1, *) }
  /// Elements that a convolution of a channel by itself takes for one output; nil for what is no convolution.
  package var taps: Int? { role == .delta(.convolution) ? storedShape?.last : nil }

  /// The same parameter of which the values are what is stored.
  package var stored: ParameterSpec {
    var spec = self
    spec.offset = 0
    return spec
  }
}

extension ParameterSpec {
  /// A matrix that a parameter, or some of it, is held and used as: element (r, k) is the parameter's
  /// `first + r · rowStride + k · columnStride`.
  package struct Part {
    package let rows: Int
    package let columns: Int
    package let first: Int
    package let rowStride: Int
    package let columnStride: Int
  }

  /// One, unless it is cut up: by heads into the key half of each, turned, and the value half of each; by groups into
  /// their rows.
  package var parts: [Part] {
    if let groups {
      let own = rows / groups
      return (0..<groups).map {
        Part(rows: own, columns: columns, first: $0 * own * columns, rowStride: columns, columnStride: 1)
      }
    }
    guard let heads else { return [Part(rows: rows, columns: columns, first: 0, rowStride: columns, columnStride: 1)] }
    let starts = (0..<heads.count).map { $0 * (heads.keyRows + heads.valueRows) * columns }
    return starts.map {
      Part(rows: columns, columns: heads.keyRows, first: $0, rowStride: 1, columnStride: columns)
    }
      + starts.map {
        Part(
          rows: heads.valueRows, columns: columns, first: $0 + heads.keyRows * columns, rowStride: columns,
          columnStride: 1)
      }
  }
}

/// How the rows of a latent's up-projection divide: for each head, first those of the key and then those of the value.
struct LatentHeads: Hashable, Sendable {
  var count: Int
  var keyRows: Int
  var valueRows: Int
}

/// Collects parameters in the order in which checkpoints are written: each kind of layer lists its own into one.
struct ParameterList {
  private(set) var specs: [ParameterSpec] = []
  /// Where what follows belongs.
  var layer: Int?
  var expert: Int?

  mutating func matrix(
    _ role: ParameterRole, rows: Int, columns: Int, hasBias: Bool = false, use: WeightPrecision.Use = .projection,
    heads: LatentHeads? = nil, groups: Int? = nil
  ) {
    let id = ParameterID(role, layer: layer, expert: expert)
    specs.append(ParameterSpec(id: id, shape: [rows, columns], use: use, heads: heads, groups: groups))
    if hasBias { specs.append(ParameterSpec(id: id.bias, shape: [rows], use: .vector)) }
  }

  /// `storedShape`, where it is not `[count]`; the values are what is stored and `offset`.
  mutating func vector(_ role: ParameterRole, count: Int, storedShape: [Int]? = nil, offset: Float = 0) {
    let id = ParameterID(role, layer: layer, expert: expert)
    specs.append(
      ParameterSpec(id: id, shape: [count], use: .vector, heads: nil, storedShape: storedShape, offset: offset))
  }

  /// A gated feed-forward block.
  mutating func feedForward(
    _ kind: ParameterRole.FeedForwardKind, hidden: Int, intermediate: Int, hasBias: Bool = false
  ) {
    matrix(.feedForward(kind, .gate), rows: intermediate, columns: hidden, hasBias: hasBias)
    matrix(.feedForward(kind, .up), rows: intermediate, columns: hidden, hasBias: hasBias)
    matrix(.feedForward(kind, .down), rows: hidden, columns: intermediate, hasBias: hasBias)
  }
}
