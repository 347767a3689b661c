import Fabric

private struct Odd: Error, CustomStringConvertible {
  let description: String
}

extension Scenario {
  static let agreements: [Scenario] = [
    Scenario(name: "agree-returns-when-all-succeed") { communicator, _ in
      let value = try agree(on: communicator) { communicator.rank.index * 2 }
      try expect(value == communicator.rank.index * 2, "\(value)")
    },
    Scenario(name: "agree-tells-every-rank-of-one-failure") { communicator, _ in
      let last = Rank(communicator.size - 1)
      try expectError(
        "one failure",
        {
          try agree(on: communicator) {
            if communicator.rank == last { throw Odd(description: "shard 7 is missing \u{1F426}") }
          }
        }
      ) { $0 == .peersFailed([PeerFailure(ranks: [last], message: "shard 7 is missing \u{1F426}")]) }
    },
    Scenario(name: "agree-merges-equal-messages") { communicator, _ in
      var expected = [PeerFailure(ranks: communicator.everyone, message: "no such file")]
      try expectError(
        "the same failure everywhere",
        {
          try agree(on: communicator) { throw Odd(description: "no such file") }
        }
      ) { $0 == .peersFailed(expected) }
      expected = communicator.everyone.map { PeerFailure(ranks: [$0], message: "bad \($0.index)") }
      try expectError(
        "different failures",
        {
          try agree(on: communicator) { throw Odd(description: "bad \(communicator.rank.index)") }
        }
      ) { $0 == .peersFailed(expected) }
    },
    Scenario(name: "agree-passes-on-what-was-agreed-within") { communicator, _ in
      try expectError(
        "nested",
        {
          try agree(on: communicator) {
            try agree(on: communicator) { if communicator.isRoot { throw Odd(description: "inner") } }
          }
        }
      ) { $0 == .peersFailed([PeerFailure(ranks: [Rank(0)], message: "inner")]) }
      try expectError(
        "nothing said",
        {
          try agree(on: communicator) { if communicator.isRoot { throw FabricError.peersFailed([]) } }
        }
      ) { $0 == .peersFailed([]) }
    },
    Scenario(name: "agree-cuts-long-messages") { communicator, _ in
      try expectError(
        "a megabyte",
        {
          try agree(on: communicator) { throw Odd(description: String(repeating: "x", count: 1 << 20)) }
        }
      ) {
        guard case .peersFailed(let failures) = $0 else { return false }
        return failures.count == 1 && failures[0].message.utf8.count == 4096
      }
    },
  ]
}
