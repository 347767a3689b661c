import Checkpoints
import Glibc
import MoEModel
import Tensors

/// The number format of a checkpoint to be made.
package enum CheckpointWeights: String, CaseIterable, Sendable {
  case bf16, f32

  var type: ElementType { self == .bf16 ? .bfloat16 : .float32 }
  var torchName: String { self == .bf16 ? "bfloat16" : "float32" }
}

/// Values for a model's tensors that keep its activations sane, the same for a seed on any number of workers.
///
/// Matrices are normal with a variance of 1 / fan-in, so that what comes out has about the variance of what went in.
/// Norms multiply by 1, and biases are 0. Embeddings of variance 1 dominate the residual stream: tokens stay different
/// from each other, and as a router's rows are of nearly equal length, all experts are chosen about equally often. A
/// table of experts by token gives each token experts as far apart as they can be, from one on that its id decides.
struct RandomWeights: Sendable {
  private enum Values {
    case constant(Float)
    case experts
    case normal(deviation: Double)
  }

  let seed: UInt64
  let tiedEmbeddings: Bool
  private let expertCount: Int
  /// Quantiles of the normal distribution: a draw is one of them.
  private let quantiles: [Float] = (0..<65536).map { Float(Self.quantile((Double($0) + 0.5) / 65536)) }

  init(seed: UInt64, _ description: DecoderDescription) {
    self.seed = seed
    tiedEmbeddings = description.tiedEmbeddings
    expertCount = description.moe?.expertCount ?? 1
  }

  private func values(_ parameter: ParameterSpec) -> Values {
    guard parameter.isMatrix else {
      // Four taps of a half keep the variance.
      if parameter.role == .delta(.convolution) { return .constant(0.5) }
      if parameter.role == .tokenExperts { return .experts }
      if case .hyper(.scale, _) = parameter.role { return .constant(1) }
      return .constant(parameter.role.isNorm ? 1 - parameter.offset : 0)
    }
    if parameter.role == .embedding, !tiedEmbeddings { return .normal(deviation: 1) }
    return .normal(deviation: 1 / Double(parameter.columns).squareRoot())
  }

  /// Elements made at once; a piece's values depend on the seed, the tensor's number and the piece's only.
  static let pieceCount = 1 << 20

  /// Hands the tensor to `write`, piece after piece, in order.
  func fill(_ planned: CheckpointPlan.Tensor, number: Int, write: (UnsafeRawBufferPointer) throws -> Void) throws {
    let tensor = planned.entry
    switch (values(planned.parameter), tensor.type) {
    case (.experts, _): try assign(tensor, number: number, write)
    case (.constant(let value), .float32): try repeated(value, tensor, write)
    case (.constant(let value), _): try repeated(Self.bfloat16(value), tensor, write)
    case (.normal(let deviation), .float32):
      try draw(quantiles.map { $0 * Float(deviation) }, tensor, number: number, write)
    case (.normal(let deviation), _):
      try draw(quantiles.map { Self.bfloat16($0 * Float(deviation)) }, tensor, number: number, write)
    }
  }

  /// A table `[tokens, chosen]` of the experts of each token.
  private func assign(_ tensor: TensorEntry, number: Int, _ write: (UnsafeRawBufferPointer) throws -> Void) throws {
    let chosen = max(tensor.shape.last ?? 1, 1)
    let table = (0..<tensor.elementCount).map { i -> Int64 in
      let first = Self.mixed(seed ^ Self.mixed(UInt64(number) << 32 | UInt64(i / chosen))) % UInt64(expertCount)
      return Int64((Int(first) + i % chosen * (expertCount / chosen)) % expertCount)
    }
    try table.withUnsafeBytes { try write($0) }
  }

  private func repeated<Element: BitwiseCopyable>(
    _ value: Element, _ tensor: TensorEntry, _ write: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    try [Element](repeating: value, count: tensor.elementCount).withUnsafeBytes { try write($0) }
  }

  private func draw<Element: BitwiseCopyable>(
    _ table: [Element], _ tensor: TensorEntry, number: Int, _ write: (UnsafeRawBufferPointer) throws -> Void
  ) throws {
    let count = min(Self.pieceCount, tensor.elementCount)
    var piece = [Element](repeating: table[0], count: (count + 3) / 4 * 4)
    var done = 0
    while done < tensor.elementCount {
      let next = min(Self.pieceCount, tensor.elementCount - done)
      var state = Self.mixed(seed ^ Self.mixed(UInt64(number) << 32 | UInt64(done / Self.pieceCount)))
      piece.withUnsafeMutableBufferPointer { piece in
        table.withUnsafeBufferPointer { table in
          for i in stride(from: 0, to: next, by: 4) {
            // splitmix64 (Steele, Lea and Flood 2014); each draw takes sixteen of its bits.
            state &+= 0x9E37_79B9_7F4A_7C15
            let bits = Self.mixed(state)
            piece[i] = table[Int(bits & 0xFFFF)]
            piece[i + 1] = table[Int(bits >> 16 & 0xFFFF)]
            piece[i + 2] = table[Int(bits >> 32 & 0xFFFF)]
            piece[i + 3] = table[Int(bits >> 48)]
          }
        }
      }
      try piece.withUnsafeBytes {
        try write(UnsafeRawBufferPointer(rebasing: $0[..<(next * MemoryLayout<Element>.size)]))
      }
      done += next
    }
  }

  private static func mixed(_ value: UInt64) -> UInt64 {
    var z = value
    z = (z ^ z >> 30) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ z >> 27) &* 0x94D0_49BB_1331_11EB
    return z ^ z >> 31
  }

  /// The bits of `value` rounded to bfloat16, nearest even.
  private static func bfloat16(_ value: Float) -> UInt16 {
    let bits = value.bitPattern
    return UInt16((bits &+ 0x7FFF &+ (bits >> 16 & 1)) >> 16)
  }

  /// Where the normal distribution function is `p`, by bisection.
  private static func quantile(_ p: Double) -> Double {
    var (low, high) = (-6.0, 6.0)
    for _ in 0..<40 {
      let middle = (low + high) / 2
      if erfc(-middle / 2.0.squareRoot()) / 2 < p { low = middle } else { high = middle }
    }
    return (low + high) / 2
  }
}
