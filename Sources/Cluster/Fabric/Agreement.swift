/// The longest message one rank contributes to what is shown of a failure.
private let messageByteLimit = 4096

/// Runs `body` on every rank; if it throws on any, every rank throws the same `peersFailed`. Collective.
///
/// A body must not leave a collective half done when it throws: its peers would still be in it.
package func agree<T>(on communicator: any Communicator, _ body: () throws -> T) throws(FabricError) -> T {
  let outcome = Result { try body() }
  var failures: [PeerFailure] = []
  var failed: Int64 = 0
  if case .failure(let error) = outcome {
    failed = 1
    failures = ownFailures(error, rank: communicator.rank)
  }
  let anyFailed = try communicator.allReduceMax(failed)
  if anyFailed == 0, case .success(let value) = outcome { return value }
  let all = try communicator.allGather(encode(failures))
  var found: [PeerFailure] = []
  for (index, bytes) in all.enumerated() { try decode(bytes, from: Rank(index), into: &found) }
  throw .peersFailed(merged(found))
}

/// What ranks agreed on further in is passed on as it is, not wrapped once more.
private func ownFailures(_ error: any Error, rank: Rank) -> [PeerFailure] {
  if let error = error as? FabricError, case .peersFailed(let failures) = error { return failures }
  return [PeerFailure(ranks: [rank], message: "\(error)")]
}

/// One failure per message, in the order of their lowest ranks.
private func merged(_ found: [PeerFailure]) -> [PeerFailure] {
  var ranks: [[UInt8]: Set<Rank>] = [:]
  for failure in found { ranks[Array(failure.message.utf8), default: []].formUnion(failure.ranks) }
  return
    ranks
    .map { message, ranks in
      PeerFailure(ranks: ranks.sorted(), message: String(decoding: message, as: UTF8.self))
    }
    .sorted { ($0.ranks.first ?? Rank(0), $0.message) < ($1.ranks.first ?? Rank(0), $1.message) }
}

/// For each failure: the message's length in 8 bytes, the message in UTF-8, the count of ranks, each rank in 8 bytes.
private func encode(_ failures: [PeerFailure]) -> [UInt8] {
  var bytes: [UInt8] = []
  func append(_ number: Int) { withUnsafeBytes(of: Int64(number).littleEndian) { bytes.append(contentsOf: $0) } }
  for failure in failures {
    let message = Array(failure.message.utf8.prefix(messageByteLimit))
    append(message.count)
    bytes.append(contentsOf: message)
    append(failure.ranks.count)
    for rank in failure.ranks { append(rank.index) }
  }
  return bytes
}

func decode(_ bytes: [UInt8], from rank: Rank, into found: inout [PeerFailure]) throws(FabricError) {
  var rest = bytes[...]
  func take(_ count: Int) throws(FabricError) -> ArraySlice<UInt8> {
    guard count >= 0, count <= rest.count else {
      throw .malformedMessage(from: rank, reason: "a failure of \(count) bytes where \(rest.count) are left")
    }
    defer { rest = rest.dropFirst(count) }
    return rest.prefix(count)
  }
  func number() throws(FabricError) -> Int { try take(8).reversed().reduce(0) { $0 << 8 | Int($1) } }
  while !rest.isEmpty {
    let message = String(decoding: try take(try number()), as: UTF8.self)
    var ranks: [Rank] = []
    let count = try number()
    guard count >= 0, count <= rest.count / 8 else {
      throw .malformedMessage(from: rank, reason: "a failure of \(count) ranks where \(rest.count) bytes are left")
    }
    for _ in 0..<count { ranks.append(Rank(try number())) }
    found.append(PeerFailure(ranks: ranks, message: message))
  }
}
