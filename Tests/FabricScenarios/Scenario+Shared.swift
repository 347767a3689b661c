import Fabric

extension Scenario {
  static let shared: [Scenario] = [
    Scenario(name: "shared-memory") { communicator, _ in
      guard let places = try communicator.allocateShared(byteCount: 10_000) else {
        throw Unexpected(description: "no shared memory on this host")
      }
      let local = communicator.ranksOnHost
      try expect(places.count == local.count, "\(places.count) places for \(local.count) ranks")
      let own = places[communicator.localRank]
      try expect(UInt(bitPattern: own) % 64 == 0, "memory is not aligned")
      try expect((0..<10_000).allSatisfy { own.load(fromByteOffset: $0, as: UInt8.self) == 0 }, "memory is not zero")
      try communicator.barrier()
      for i in 0..<10_000 {
        own.storeBytes(of: UInt8(truncatingIfNeeded: i + communicator.rank.index), toByteOffset: i, as: UInt8.self)
      }
      try communicator.barrier()
      for (index, peer) in local.enumerated() {
        let isRight = (0..<10_000).allSatisfy {
          places[index].load(fromByteOffset: $0, as: UInt8.self) == UInt8(truncatingIfNeeded: $0 + peer.index)
        }
        try expect(isRight, "memory of \(peer) does not hold what it wrote")
      }
      try communicator.barrier()
    },
    Scenario(name: "host-channels") { communicator, _ in
      guard let channels = try HostChannels(communicator, byteCount: 5000) else {
        try expect(communicator.size == 1, "no channels among \(communicator.size) ranks")
        return
      }
      let peers = communicator.everyone.filter { $0 != communicator.rank }
      try expect(channels.capacity >= 4900 && channels.capacity <= 5000, "room for \(channels.capacity) bytes")
      for round in 0..<200 {
        let count = [0, 1, 64, 4097, channels.capacity, channels.capacity + 1, 1 << 30][round % 7]
        for peer in peers {
          let room = try channels.begin(to: peer)
          for i in 0..<min(count, room.count) { room[i] = pattern(communicator.rank, peer, round)(i) }
          try channels.send(to: peer, byteCount: count)
        }
        for peer in peers.reversed() {
          switch try channels.receive(from: peer) {
          case .here(let bytes):
            try expect(bytes.count == count && count <= channels.capacity, "\(bytes.count) bytes instead of \(count)")
            let expected = (0..<count).map(pattern(peer, communicator.rank, round))
            try expect(bytes.elementsEqual(expected), "round \(round): wrong bytes from \(peer)")
          case .announced(let announced):
            try expect(
              announced == count && count > channels.capacity, "\(announced) bytes announced instead of \(count)")
          }
          try channels.release(from: peer)
        }
      }
      try expectError("a channel to itself", { _ = try channels.begin(to: communicator.rank) }) {
        if case .noSuchRank = $0 { true } else { false }
      }
      try communicator.barrier()
    },
    Scenario(name: "a-channel-without-a-sender-stalls") { communicator, _ in
      guard let channels = try HostChannels(communicator, byteCount: 64) else { return }
      communicator.stallLimit = .milliseconds(50)
      defer { communicator.stallLimit = nil }
      let peer = Rank((communicator.rank.index + 1) % communicator.size)
      try expectError("a message nobody sends", { _ = try channels.receive(from: peer) }) {
        if case .stalled = $0 { true } else { false }
      }
      communicator.stallLimit = nil
      try communicator.barrier()
    },
  ]
}
