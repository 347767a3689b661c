import Fabric

extension Scenario {
  static let collectives: [Scenario] = [
    Scenario(name: "broadcast") { communicator, _ in
      for root in communicator.everyone {
        for count in [0, 1, 30_000] {
          let expected = (0..<count).map(pattern(root, root, count))
          var bytes = communicator.rank == root ? expected : [UInt8](repeating: 1, count: communicator.rank.index * 3)
          try communicator.broadcast(&bytes, from: root)
          try expect(bytes == expected, "\(bytes.count) bytes instead of \(count) from \(root)")
        }
      }
    },
    Scenario(name: "broadcast-around-the-first-round") { communicator, _ in
      for count in 1000...1032 {
        let expected = (0..<count).map(pattern(Rank(0), Rank(0), count))
        var bytes = communicator.isRoot ? expected : [7]
        try communicator.broadcast(&bytes, from: Rank(0))
        try expect(bytes == expected, "\(bytes.count) bytes instead of \(count)")
      }
    },
    Scenario(name: "inbox") { communicator, _ in
      let inbox = Inbox(communicator, tag: MessageTag(9))
      for count in [0, 1, 16_383, 16_384, 16_385, 1_000_000] {
        let mine = (0..<(count + communicator.rank.index)).map(pattern(communicator.rank, Rank(0), count))
        guard communicator.isRoot else {
          try inbox.send(mine)
          continue
        }
        try inbox.open()
        for peer in communicator.everyone.dropFirst() {
          let expected = (0..<(count + peer.index)).map(pattern(peer, Rank(0), count))
          try expect(try inbox.receive(from: peer, limit: 2_000_000) == expected, "\(count) bytes from \(peer)")
        }
      }
    },
    Scenario(name: "broadcast-over-the-limit-fails-everywhere") { communicator, _ in
      var bytes = [UInt8](repeating: 0, count: communicator.isRoot ? 101 : 0)
      try expectError("101 bytes", { try communicator.broadcast(&bytes, from: Rank(0), limit: 100) }) {
        $0 == .messageTooLarge(byteCount: 101, limit: 100)
      }
      try communicator.barrier()
    },
    Scenario(name: "gather") { communicator, _ in
      for root in communicator.everyone {
        // Nothing at all from rank 0.
        let mine = (0..<communicator.rank.index * 1700).map(pattern(communicator.rank, root, 4))
        let gathered = try communicator.gather(mine, to: root)
        try expect((gathered != nil) == (communicator.rank == root), "a result on the wrong rank")
        for (index, part) in (gathered ?? []).enumerated() {
          try expect(part == (0..<index * 1700).map(pattern(Rank(index), root, 4)), "rank \(index)'s part is wrong")
        }
        try expect(gathered.map { $0.count == communicator.size } ?? true, "parts are missing")
      }
    },
    Scenario(name: "all-gather") { communicator, _ in
      for scale in [0, 1, 3000] {
        let mine = (0..<(communicator.rank.index + 1) * scale).map(pattern(communicator.rank, Rank(0), scale))
        let all = try communicator.allGather(mine)
        try expect(all.count == communicator.size, "\(all.count) parts")
        for (index, part) in all.enumerated() {
          let expected = (0..<(index + 1) * scale).map(pattern(Rank(index), Rank(0), scale))
          try expect(part == expected, "rank \(index)'s part is wrong")
        }
      }
    },
    Scenario(name: "gather-over-the-limit-fails-everywhere") { communicator, _ in
      let mine = [UInt8](repeating: 0, count: 40)
      let total = 40 * communicator.size
      try expectError("gather", { _ = try communicator.gather(mine, to: Rank(0), limit: 39) }) {
        if case .messageTooLarge = $0 { true } else { false }
      }
      try expectError("all-gather", { _ = try communicator.allGather(mine, limit: total - 1) }) {
        $0 == .messageTooLarge(byteCount: total, limit: total - 1) || communicator.size == 1
      }
      _ = try communicator.allGather(mine, limit: total)
    },
    Scenario(name: "all-reduce") { communicator, _ in
      let rank = Int64(communicator.rank.index)
      let size = Int64(communicator.size)
      try expect(try communicator.allReduceMax(rank * 10 - 5) == (size - 1) * 10 - 5, "max")
      try expect(try communicator.allReduceMin(rank * 10 - 5) == -5, "min")
      try expect(try communicator.allReduceSum(rank + 1) == size * (size + 1) / 2, "sum")
      try expect(try communicator.allReduce([], .sum) == [], "nothing")
      let sums = try communicator.allReduce((0..<1000).map { $0 * rank }, .sum)
      try expect(sums == (0..<1000).map { $0 * size * (size - 1) / 2 }, "sums of 1000")
    },
    Scenario(name: "barrier") { communicator, _ in
      for _ in 0..<20 { try communicator.barrier() }
    },
    Scenario(name: "host") { communicator, _ in
      try expect(!communicator.hostName.isEmpty, "no host name")
      // Every scenario runs on one host.
      try expect(communicator.ranksOnHost == communicator.everyone, "\(communicator.ranksOnHost)")
      try expect(communicator.localRank == communicator.rank.index, "local rank \(communicator.localRank)")
      try expect(communicator.localSize == communicator.size, "local size \(communicator.localSize)")
    },
  ]
}
