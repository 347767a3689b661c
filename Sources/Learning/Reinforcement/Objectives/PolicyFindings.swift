import Bytes

/// What learnt tokens told, added up.
struct PolicyFindings {
  var count = 0
  var entropy = 0.0
  var divergence = 0.0
  var clipped = 0
  var maxLogRatio = 0.0

  init() {}

  mutating func add(_ told: PolicyLoss.Told, drawn: Float) {
    guard told.isLearnt else { return }
    count += 1
    entropy += told.entropy
    divergence += told.divergence
    if told.isClipped { clipped += 1 }
    let ratio = Double(abs(told.logprob - drawn))
    // What is no number is the greatest.
    maxLogRatio = ratio.isNaN ? .infinity : max(maxLogRatio, ratio)
  }

  mutating func add(_ other: PolicyFindings) {
    count += other.count
    entropy += other.entropy
    divergence += other.divergence
    clipped += other.clipped
    maxLogRatio = max(maxLogRatio, other.maxLogRatio)
  }

  func write(to writer: inout ByteWriter) {
    writer.write(Int64(count))
    writer.write(Int64(clipped))
    for value in [entropy, divergence, maxLogRatio] { writer.write(value.bitPattern) }
  }

  init(from reader: inout ByteReader) throws {
    do {
      count = Int(try reader.read(Int64.self))
      clipped = Int(try reader.read(Int64.self))
      entropy = Double(bitPattern: try reader.read(UInt64.self))
      divergence = Double(bitPattern: try reader.read(UInt64.self))
      maxLogRatio = Double(bitPattern: try reader.read(UInt64.self))
    } catch { throw ReinforcementError.ranksDisagree("what an update told") }
  }
}
