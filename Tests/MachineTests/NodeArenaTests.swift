import Machine
import Testing

@Suite(.serialized) struct NodeArenaTests {
  private func firstNode() throws -> Int { try Topology.discover().nodes[0].id }

  @Test func slicesAreAlignedZeroedAndApart() throws {
    let arena = try NodeArena(node: firstNode(), byteCount: 10_000)
    var last = arena.base
    for count in [1, 64, 65, 0, 1000] {
      let slice = try arena.allocate(byteCount: count)
      let start = slice.baseAddress!
      #expect(slice.count == count)
      #expect(UInt(bitPattern: start) % 64 == 0)
      #expect(start >= last)
      #expect(slice.allSatisfy { $0 == 0 })
      slice.initializeMemory(as: UInt8.self, repeating: 0xFF)
      last = start + count
    }
  }

  @Test func aFullArenaIsAnError() throws {
    let arena = try NodeArena(node: firstNode(), byteCount: 128)
    _ = try arena.allocate(byteCount: 65)
    #expect(throws: MachineError.arenaFull(node: arena.node, requested: 1, used: 65, byteCount: 128)) {
      try arena.allocate(byteCount: 1)
    }
    #expect(throws: MachineError.invalidByteCount(.max)) { try arena.allocate(byteCount: .max) }
    #expect(throws: MachineError.invalidByteCount(-1)) { try arena.allocate(byteCount: -1) }
    let whole = try NodeArena(node: firstNode(), byteCount: 128)
    #expect(try whole.allocate(byteCount: 128).count == 128)
  }

  @Test func impossibleSizesAreErrors() {
    for count in [-1, Int.max, 1 << 46] {
      #expect(throws: MachineError.invalidByteCount(count)) { try NodeArena(node: 0, byteCount: count) }
    }
  }

  @Test func anEmptyArenaIsAllowed() throws {
    let arena = try NodeArena(node: firstNode(), byteCount: 0)
    #expect(try arena.allocate(byteCount: 0).count == 0)
  }

  @Test func touchedPagesAreFoundOnTheNodeOrTheReasonIsTold() throws {
    let arena = try NodeArena(node: firstNode(), byteCount: 8 << 20)
    #expect(arena.verify(sampleCount: 16).notVerified == "nothing allocated yet")
    let slice = try arena.allocate(byteCount: 8 << 20)
    let untouched = arena.verify(sampleCount: 16)
    #expect(untouched.onNode == 0 && untouched.description.hasPrefix("not verified: "))
    slice.initializeMemory(as: UInt8.self, repeating: 1)
    let check = arena.verify(sampleCount: 16)
    if check.notVerified == nil {
      #expect(check.onNode + check.elsewhere == 16, "\(check)")
      if try Topology.discover().nodes.count == 1 { #expect(check.onNode == 16, "\(check)") }
    } else {
      #expect(check.description.hasPrefix("not verified: "))
    }
  }

  @Test(arguments: [1023, 1024, -1, .max])
  func aNodeThatDoesNotExistGivesMemoryAnywayAndSaysSo(node: Int) throws {
    let arena = try NodeArena(node: node, byteCount: 4096)
    let slice = try arena.allocate(byteCount: 4096)
    slice.initializeMemory(as: UInt8.self, repeating: 1)
    if case .unplaced(let reason) = arena.policy { #expect(!reason.isEmpty) } else { Issue.record("\(arena.policy)") }
    #expect(arena.verify().onNode == 0)
  }

  @Test func aNodeIsNotPromisedTwice() throws {
    let node = try Topology.discover().nodes[0]
    let size = node.availableBytes / 10 * 6
    func policy(processes: Int = 1) throws -> NodeArena.Policy {
      try NodeArena(node: node.id, byteCount: size, processes: processes).policy
    }
    // A container may forbid placement altogether.
    guard size > 64 << 20, try policy() == .bound else { return }
    let first = try NodeArena(node: node.id, byteCount: size)
    // Nothing of the first is touched yet: the kernel still tells of as much free memory as before.
    let second = try policy()
    withExtendedLifetime(first) {
      #expect(first.policy == .bound)
      #expect(second == .preferred)
    }
  }

  @Test func whatIsGivenBackCanBePromisedAgainAndOtherProcessesCount() throws {
    let node = try Topology.discover().nodes[0]
    let size = node.availableBytes / 100
    guard size > 4 << 20, try NodeArena(node: node.id, byteCount: size).policy == .bound else { return }
    // More than the node has in all, one after the other.
    for _ in 0..<200 { #expect(try NodeArena(node: node.id, byteCount: size).policy == .bound) }
    #expect(try NodeArena(node: node.id, byteCount: size, processes: 200).policy == .preferred)
    #expect(try NodeArena(node: node.id, byteCount: size, processes: .max).policy == .preferred)
  }
}
