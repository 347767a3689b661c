import Fabric
import Kernels
import Tensors

/// The dispatch message: all of one rank's tokens that another rank's experts are to see.
///
/// Little-endian words: tokenCount, visitCount; when it was sent (two words, low first); visits by token
/// `[tokenCount]`; visits (`VisitWord`) `[visitCount]`; weights (fp32) `[visitCount]`; padding to 64 bytes; rows
/// `[tokenCount, hidden]` in the form that `WireFormat` says. Counts travel with the payload, in one message: the
/// receiver knows the most it can hold from the step's plan.
struct DispatchMessage {
  private static let headerWords = 4
  /// Where the time of sending lies, in bytes.
  static let stampOffset = 8

  let base: UnsafeMutableRawPointer
  let tokenCount: Int
  let visitCount: Int
  private let wire: WireFormat

  static func rowsOffset(tokens: Int, visits: Int) -> Int { ((headerWords + tokens + 2 * visits) * 4 + 63) / 64 * 64 }

  private var words: UnsafeMutablePointer<Int32> { base.assumingMemoryBound(to: Int32.self) }
  var visitCounts: UnsafeMutablePointer<Int32> { words + Self.headerWords }
  var visits: UnsafeMutablePointer<VisitWord> {
    UnsafeMutableRawPointer(visitCounts + tokenCount).assumingMemoryBound(to: VisitWord.self)
  }
  var weights: UnsafeMutablePointer<Float> {
    UnsafeMutableRawPointer(visits + visitCount).assumingMemoryBound(to: Float.self)
  }

  func row(_ token: Int) -> UnsafeMutableRawPointer {
    base + Self.rowsOffset(tokens: tokenCount, visits: visitCount) + token * wire.tokenByteCount
  }

  /// Starts a message in `base`, which must have room; rows are left to be filled in.
  init(writing destination: DispatchPlan.Destination, _ wire: WireFormat, to base: UnsafeMutableRawPointer) {
    self.base = base
    self.wire = wire
    tokenCount = destination.tokens.count
    visitCount = destination.visits.count
    words[0] = Int32(tokenCount)
    words[1] = Int32(visitCount)
    guard tokenCount > 0 else { return }
    visitCounts.update(from: destination.visitCounts.start, count: tokenCount)
    visits.update(from: destination.visits.start, count: visitCount)
    weights.update(from: destination.weights.start, count: visitCount)
  }

  /// Checks a received message of `byteCount` bytes: every count, and every visit against the placement. `readers` are
  /// the ranks that it may be for, by their place on the host; others' are nil.
  init(
    reading base: UnsafeMutableRawPointer, byteCount: Int, from source: Rank, to readers: [Rank?], layer: Int,
    tokenLimit: Int, wire: WireFormat, placement: ExpertPlacement
  ) throws(ExpertParallelismError) {
    func malformed(_ reason: String) -> ExpertParallelismError {
      .malformedDispatch(from: source, layer: layer, reason: reason)
    }
    self.base = base
    self.wire = wire
    guard byteCount >= Self.headerWords * 4 else { throw malformed("\(byteCount) bytes are no header") }
    let words = base.assumingMemoryBound(to: Int32.self)
    tokenCount = Int(words[0])
    visitCount = Int(words[1])
    guard tokenCount >= 0, tokenCount <= tokenLimit else {
      throw malformed("\(tokenCount) tokens where the step has \(tokenLimit)")
    }
    guard visitCount >= tokenCount, visitCount <= tokenCount * placement.expertCount else {
      throw malformed("\(visitCount) visits of \(tokenCount) tokens")
    }
    let expected = wire.dispatchByteCount(tokens: tokenCount, visits: visitCount)
    guard byteCount == expected else { throw malformed("\(byteCount) bytes instead of \(expected)") }
    let (visits, expertCount) = (visits, placement.expertCount)
    var visit = 0
    for token in 0..<tokenCount {
      let count = Int(visitCounts[token])
      guard count >= 1, count <= visitCount - visit else { throw malformed("token \(token) visits \(count) experts") }
      var (previous, place): (Int32, Int32) = (-1, -1)
      for i in visit..<(visit + count) {
        let (one, expert) = (visits[i], visits[i].expert)
        guard expert > previous, Int(expert) < expertCount, Int(one.place) < readers.count,
          let reader = readers[Int(one.place)], placement.holds(Int(expert), reader)
        else { throw malformed("token \(token) asks for expert \(expert) of rank \(one.place) of the host") }
        // A row begins with a subtree, and a subtree with a token's first visit and wherever another rank is asked.
        guard one.beginsSubtree || (!one.beginsRow && one.place == place), i > visit || one.beginsRow else {
          throw malformed("token \(token) has expert \(expert) in the wrong subtree")
        }
        (previous, place) = (expert, one.place)
      }
      visit += count
    }
    guard visit == visitCount else { throw malformed("visits do not add up") }
  }
}

/// The combine message: the partial outputs of the tokens one rank sent to another.
///
/// When it was sent, in nanoseconds of the sender's clock (8 bytes, little-endian), and padding to 64 bytes; then rows
/// `[rows, output]` as `WireFormat` says, as many as both sides know from the dispatch.
struct CombineMessage {
  static let headerBytes = 64
  /// Where the time of sending lies, in bytes.
  static let stampOffset = 0

  /// Aligned to 64 bytes.
  let base: UnsafeMutableRawPointer
  let wire: WireFormat

  private func row(_ index: Int) -> UnsafeMutableRawPointer { base + Self.headerBytes + index * wire.sumByteCount }

  /// The rows where they lie, which their reader may overwrite; nil where they are not fp32.
  var floats: UnsafeMutablePointer<Float>? { wire.sums == .float32 ? row(0).assumingMemoryBound(to: Float.self) : nil }

  func write(_ sum: UnsafePointer<Float>, row index: Int, _ compute: Compute) {
    compute.round(sum, columns: wire.outputSize, as: wire.sums.rowFormat, into: row(index))
  }

  /// sum `[output]` := row `index`.
  func read(row index: Int, into sum: UnsafeMutablePointer<Float>) {
    switch wire.sums {
    case .float32: UnsafeMutableRawPointer(sum).copyMemory(from: row(index), byteCount: wire.outputSize * 4)
    case .bfloat16:
      let halves = row(index).assumingMemoryBound(to: UInt16.self)
      for column in 0..<wire.outputSize { sum[column] = Float(bitPattern: UInt32(halves[column]) << 16) }
    }
  }
}
