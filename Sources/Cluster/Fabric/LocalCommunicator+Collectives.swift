/// Collectives from messages through rank 0, each kind with a tag of its own that no caller can use: ranks that call
/// different ones at the same time find themselves in a deadlock, which is reported, and not with wrong bytes.
extension LocalCommunicator {
  private enum Kind: Int32 {
    case barrier = -1
    case broadcast = -2
    case gather = -3
    case lengths = -4
    case reduction = -5
  }

  private var root: Rank { Rank(0) }
  private var peers: [Rank] { ranksOnHost.filter { $0 != rank } }

  package func barrier() throws(FabricError) {
    _ = try collect([], on: root, .barrier, lengths: Array(repeating: 0, count: size))
    _ = try spread([], from: root, .barrier, count: 0)
  }

  package func broadcast(_ bytes: inout [UInt8], from root: Rank, limit: Int) throws(FabricError) {
    try check(root: root)
    let announced = try spread(Self.encode([Int64(bytes.count)]), from: root, .lengths, count: 8)
    let count = try checkedTotal(Self.decode(announced), limit: limit)
    bytes = try spread(bytes, from: root, .broadcast, count: count)
  }

  package func gather(_ bytes: [UInt8], to root: Rank, limit: Int) throws(FabricError) -> [[UInt8]]? {
    try check(root: root)
    let lengths = try allLengths(bytes.count)
    _ = try checkedTotal(lengths, limit: limit)
    return try collect(bytes, on: root, .gather, lengths: lengths)
  }

  package func allGather(_ bytes: [UInt8], limit: Int) throws(FabricError) -> [[UInt8]] {
    let lengths = try allLengths(bytes.count)
    let total = try checkedTotal(lengths, limit: limit)
    let collected = try collect(bytes, on: root, .gather, lengths: lengths)
    let joined = try spread(collected?.flatMap(\.self) ?? [], from: root, .gather, count: total)
    var start = 0
    return lengths.map { length in
      defer { start += Int(length) }
      return Array(joined[start..<start + Int(length)])
    }
  }

  package func allReduce(_ values: [Int64], _ reduction: Reduction) throws(FabricError) -> [Int64] {
    let lengths = try allLengths(values.count)
    guard lengths.allSatisfy({ $0 == values.count }) else { throw .mismatchedCounts(call: "allReduce") }
    let byteCounts = [Int64](repeating: Int64(values.count * 8), count: size)
    let parts = try collect(Self.encode(values), on: root, .reduction, lengths: byteCounts)
    var reduced = values
    for part in parts?.dropFirst() ?? [] {
      for (index, value) in Self.decode(part).enumerated() {
        switch reduction {
        case .sum: reduced[index] &+= value
        case .min: reduced[index] = min(reduced[index], value)
        case .max: reduced[index] = max(reduced[index], value)
        }
      }
    }
    return Self.decode(try spread(Self.encode(reduced), from: root, .reduction, count: values.count * 8))
  }

  private func allLengths(_ count: Int) throws(FabricError) -> [Int64] {
    let mine = Self.encode([Int64(count)])
    let parts = try collect(mine, on: root, .lengths, lengths: Array(repeating: 8, count: size))
    return Self.decode(try spread(parts?.flatMap(\.self) ?? [], from: root, .lengths, count: 8 * size))
  }

  /// Every rank's bytes on the root, nil elsewhere.
  private func collect(
    _ bytes: [UInt8], on root: Rank, _ kind: Kind, lengths: [Int64]
  ) throws(FabricError) -> [[UInt8]]? {
    guard rank == root else {
      try sendAll(bytes, to: root, kind)
      return nil
    }
    var parts: [[UInt8]] = []
    for peer in ranksOnHost {
      parts.append(peer == rank ? bytes : try receiveAll(Int(lengths[peer.index]), from: peer, kind))
    }
    return parts
  }

  /// The root's bytes, `count` of them, on every rank.
  private func spread(_ bytes: [UInt8], from root: Rank, _ kind: Kind, count: Int) throws(FabricError) -> [UInt8] {
    guard rank == root else { return try receiveAll(count, from: root, kind) }
    for peer in peers { try sendAll(bytes, to: peer, kind) }
    return bytes
  }

  private func sendAll(_ bytes: [UInt8], to peer: Rank, _ kind: Kind) throws(FabricError) {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(FabricError) in
        let request = try mailboxes.startSend(bytes, from: rank, to: peer, tag: kind.rawValue)
        return try wait(request)
      }
    }
    _ = try result.get()
  }

  private func receiveAll(_ count: Int, from peer: Rank, _ kind: Kind) throws(FabricError) -> [UInt8] {
    var bytes = [UInt8](repeating: 0, count: count)
    let result = bytes.withUnsafeMutableBytes { buffer in
      Result { () throws(FabricError) in
        let request = try mailboxes.startReceive(into: buffer, on: rank, from: peer, tag: kind.rawValue)
        return try wait(request)
      }
    }
    let received = try result.get()
    guard received == count else {
      throw .malformedMessage(from: peer, reason: "\(received) bytes instead of \(count)")
    }
    return bytes
  }

  private static func encode(_ values: [Int64]) -> [UInt8] { values.withUnsafeBytes { Array($0) } }

  private static func decode(_ bytes: [UInt8]) -> [Int64] {
    bytes.withUnsafeBytes { bytes in
      (0..<bytes.count / 8).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self) }
    }
  }
}
