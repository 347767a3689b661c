import Fabric

extension Scenario {
  static let messages: [Scenario] = [
    Scenario(name: "all-pairs") { communicator, buffers in
      // Nothing, a byte, just under and over the eager limits, and far over.
      for (salt, count) in [0, 1, 63, 4096, 4097, 70_000].enumerated() {
        var receives: [(PendingRequest, Buffer, Rank)] = []
        var sends: [(PendingRequest, Buffer)] = []
        for peer in communicator.everyone {
          // Roomier than the message, by an amount that differs.
          let buffer = buffers.make(count: count + peer.index * 5)
          receives.append(
            (try communicator.startReceive(into: buffer.bytes, from: peer, tag: MessageTag(3)), buffer, peer))
        }
        for peer in communicator.everyone {
          let length = max(0, count - peer.index)
          let buffer = buffers.make(count: length, pattern(communicator.rank, peer, salt))
          sends.append((try communicator.startSend(buffer.readOnly, to: peer, tag: MessageTag(3)), buffer))
        }
        for (request, buffer, peer) in receives.reversed() {
          let received = try communicator.wait(request)
          let length = max(0, count - communicator.rank.index)
          try expect(received == length, "\(received) bytes instead of \(length) from \(peer)")
          try expect(
            buffer.holds(length, pattern(peer, communicator.rank, salt)), "wrong bytes from \(peer), \(length) long")
          try expect(
            (length..<buffer.bytes.count).allSatisfy { buffer.bytes[$0] == 0xEE }, "bytes after the message changed")
        }
        for (request, buffer) in sends {
          let sent = try communicator.wait(request)
          try expect(sent == buffer.bytes.count, "\(sent) bytes sent instead of \(buffer.bytes.count)")
        }
      }
    },
    Scenario(name: "tags-out-of-order") { communicator, buffers in
      let tags = [5, 0, Int(MessageTag.limit), 17]
      let sources = tags.map { tag in buffers.make(count: 100) { UInt8(truncatingIfNeeded: tag &+ $0) } }
      var requests: [PendingRequest] = []
      for (tag, buffer) in zip(tags, sources) {
        requests.append(
          try communicator.startSend(buffer.readOnly, to: communicator.next, tag: MessageTag(Int32(tag))))
      }
      for tag in tags.reversed() {
        let buffer = buffers.make(count: 100)
        let request = try communicator.startReceive(
          into: buffer.bytes, from: communicator.previous, tag: MessageTag(Int32(tag)))
        try communicator.wait(request)
        try expect(buffer.holds(100) { UInt8(truncatingIfNeeded: tag &+ $0) }, "tag \(tag) brought another's bytes")
      }
      for request in requests { try communicator.wait(request) }
    },
    Scenario(name: "same-tag-keeps-order") { communicator, buffers in
      var requests: [PendingRequest] = []
      let sources = (0..<50).map { number in buffers.make(count: number * 300) { _ in UInt8(number) } }
      for buffer in sources {
        requests.append(try communicator.startSend(buffer.readOnly, to: communicator.next, tag: MessageTag(1)))
      }
      for number in 0..<50 {
        let buffer = buffers.make(count: 20_000)
        let received = try communicator.wait(
          try communicator.startReceive(into: buffer.bytes, from: communicator.previous, tag: MessageTag(1)))
        try expect(received == number * 300, "message \(number) has \(received) bytes")
        try expect(buffer.holds(received) { _ in UInt8(number) }, "message \(number) brought another's bytes")
      }
      for request in requests { try communicator.wait(request) }
    },
    Scenario(name: "many-requests") { communicator, buffers in
      // More than the table's first size, and twice: slots are used again.
      for _ in 0..<2 {
        let target = buffers.make(count: 500 * 8)
        let source = buffers.make(count: 500 * 8) { UInt8(truncatingIfNeeded: $0 / 8) }
        var requests: [PendingRequest] = []
        for number in 0..<500 {
          let part = UnsafeMutableRawBufferPointer(rebasing: target.bytes[number * 8..<number * 8 + 8])
          requests.append(
            try communicator.startReceive(into: part, from: communicator.previous, tag: MessageTag(Int32(number))))
        }
        for number in (0..<500).reversed() {
          let part = UnsafeRawBufferPointer(rebasing: source.readOnly[number * 8..<number * 8 + 8])
          requests.append(try communicator.startSend(part, to: communicator.next, tag: MessageTag(Int32(number))))
        }
        for request in requests { try communicator.wait(request) }
        try expect(target.holds(500 * 8) { UInt8(truncatingIfNeeded: $0 / 8) }, "bytes went astray")
      }
    },
    Scenario(name: "polling-completes") { communicator, buffers in
      let target = buffers.make(count: 100_000)
      let source = buffers.make(count: 100_000, pattern(communicator.rank, communicator.next, 1))
      let receive = try communicator.startReceive(into: target.bytes, from: communicator.previous, tag: MessageTag(0))
      let send = try communicator.startSend(source.readOnly, to: communicator.next, tag: MessageTag(0))
      while try !communicator.isComplete(receive) || !communicator.isComplete(send) { try communicator.poll() }
      try expect(try communicator.isComplete(receive), "a complete request became incomplete")
      let count = try communicator.wait(receive)
      try communicator.wait(send)
      try expect(count == 100_000, "\(count) bytes")
      try expect(target.holds(count, pattern(communicator.previous, communicator.rank, 1)), "wrong bytes")
    },
    Scenario(name: "too-long-message-is-an-error") { communicator, buffers in
      for count in [10, 100_000] {
        let source = buffers.make(count: count)
        let target = buffers.make(count: count - 1)
        let receive = try communicator.startReceive(
          into: target.bytes, from: communicator.previous, tag: MessageTag(9))
        let send = try communicator.startSend(source.readOnly, to: communicator.next, tag: MessageTag(9))
        try expectError("a longer message", { try communicator.wait(receive) }) {
          $0 == .messageTruncated(from: communicator.previous, tag: MessageTag(9), capacity: count - 1)
        }
        try communicator.wait(send)
        try communicator.barrier()
      }
    },
    Scenario(name: "bad-arguments-are-errors") { communicator, buffers in
      let byte = buffers.make(count: 1)
      let size = communicator.size
      for peer in [-1, size, size + 5, Int.max] {
        try expectError(
          "peer \(peer)",
          {
            _ = try communicator.startSend(byte.readOnly, to: Rank(peer), tag: MessageTag(0))
          }
        ) { $0 == .noSuchRank(peer, size: size) }
        try expectError(
          "peer \(peer)",
          {
            _ = try communicator.startReceive(into: byte.bytes, from: Rank(peer), tag: MessageTag(0))
          }
        ) { $0 == .noSuchRank(peer, size: size) }
        try expectError(
          "root \(peer)",
          {
            var bytes: [UInt8] = []
            try communicator.broadcast(&bytes, from: Rank(peer))
          }
        ) { $0 == .noSuchRank(peer, size: size) }
      }
      for tag in [-1, MessageTag.limit + 1, .max] {
        try expectError(
          "tag \(tag)",
          {
            _ = try communicator.startSend(byte.readOnly, to: communicator.next, tag: MessageTag(tag))
          }
        ) { $0 == .invalidTag(tag) }
      }
      // Never read: the length alone is refused.
      let huge = UnsafeRawBufferPointer(start: byte.readOnly.baseAddress, count: Int(Int32.max) + 1)
      try expectError(
        "2^31 bytes",
        {
          _ = try communicator.startSend(huge, to: communicator.next, tag: MessageTag(0))
        }
      ) { $0 == .messageTooLarge(byteCount: 1 << 31, limit: Int(Int32.max)) }
      let receive = try communicator.startReceive(into: byte.bytes, from: communicator.previous, tag: MessageTag(0))
      let send = try communicator.startSend(byte.readOnly, to: communicator.next, tag: MessageTag(0))
      try communicator.wait(receive)
      try communicator.wait(send)
      try expectError("waiting twice", { try communicator.wait(receive) }) { $0 == .unknownRequest }
      try expectError("asking after waiting", { _ = try communicator.isComplete(send) }) { $0 == .unknownRequest }
    },
    Scenario(name: "counters-count-payload-to-others") { communicator, buffers in
      let before = (communicator.bytesSent, communicator.messagesSent)
      let source = buffers.make(count: 123)
      let targets = communicator.everyone.map { _ in buffers.make(count: 123) }
      var requests: [PendingRequest] = []
      for peer in communicator.everyone {
        requests.append(
          try communicator.startReceive(into: targets[peer.index].bytes, from: peer, tag: MessageTag(2)))
        requests.append(try communicator.startSend(source.readOnly, to: peer, tag: MessageTag(2)))
      }
      for request in requests { try communicator.wait(request) }
      try communicator.barrier()
      let others = communicator.size - 1
      try expect(communicator.bytesSent - before.0 == 123 * others, "bytesSent \(communicator.bytesSent)")
      try expect(communicator.messagesSent - before.1 == others, "messagesSent \(communicator.messagesSent)")
    },
  ]
}
