import Fabric
import FabricScenarios
import Testing

@Suite struct LocalFabricTests {
  @Test(arguments: [1, 2, 3, 4, 8], [0, 4096])
  func everyScenarioHoldsOverThreads(size: Int, eagerByteLimit: Int) throws {
    for scenario in Scenario.all {
      do { try LocalFabric.run(size: size, eagerByteLimit: eagerByteLimit) { try scenario.run($0) } } catch {
        Issue.record("\(scenario) with \(size) ranks: \(error)")
      }
    }
  }

  @Test func resultsComeBackInRankOrder() throws {
    #expect(try LocalFabric.run(size: 5) { $0.rank.index * 10 } == [0, 10, 20, 30, 40])
    #expect(try LocalFabric.run(size: 2) { _ in nil as Int? } == [nil, nil])
  }

  @Test func aFabricOfNoRanksIsRefused() {
    #expect(throws: FabricError.noSuchRank(0, size: 0)) { try LocalFabric.run(size: 0) { _ in } }
  }

  struct Failure: Error, Equatable {}

  @Test(arguments: [2, 3, 8])
  func aFailingRankWakesItsPeers(size: Int) {
    let others = Counter()
    #expect(throws: Failure()) {
      try LocalFabric.run(size: size) { communicator in
        if communicator.rank.index == size - 1 { throw Failure() }
        let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
        defer { byte.deallocate() }
        do {
          let request = try communicator.startReceive(into: byte, from: Rank(size - 1), tag: MessageTag(0))
          try communicator.wait(request)
        } catch FabricError.peerStopped(let rank) {
          if rank == Rank(size - 1) { others.add() }
          throw FabricError.peerStopped(rank)
        }
      }
    }
    #expect(others.value == size - 1)
  }

  @Test func aFailingRankStopsAPeerThatPolls() {
    #expect(throws: Failure()) {
      try LocalFabric.run(size: 2) { communicator in
        if communicator.rank.index == 1 { throw Failure() }
        while true { try communicator.poll() }
      }
    }
  }

  @Test func ranksThatAllWaitAreADeadlock() {
    #expect { try LocalFabric.run(size: 3) { try receiveByte($0, from: $0.size - 1 - $0.rank.index) } } throws: {
      if case FabricError.deadlock = $0 { true } else { false }
    }
  }

  @Test func waitingForARankThatHasEndedIsADeadlock() {
    #expect { try LocalFabric.run(size: 2) { if $0.isRoot { try receiveByte($0, from: 1) } } } throws: {
      if case FabricError.deadlock(rank: Rank(0), _) = $0 { true } else { false }
    }
  }

  @Test func waitingAloneForNothingIsADeadlockAndNotAHang() {
    #expect { try receiveByte(LocalCommunicator.solo(), from: 0) } throws: {
      if case FabricError.deadlock = $0 { true } else { false }
    }
  }

  @Test func differentCollectivesAtOnceAreADeadlock() {
    #expect {
      try LocalFabric.run(size: 2) { communicator in
        if communicator.isRoot { try communicator.barrier() } else { _ = try communicator.allGather([1]) }
      }
    } throws: {
      if case FabricError.deadlock = $0 { true } else { false }
    }
  }

  @Test func differentCountsInAReductionAreAnError() {
    #expect(throws: FabricError.mismatchedCounts(call: "allReduce")) {
      try LocalFabric.run(size: 2) { _ = try $0.allReduce([Int64](repeating: 1, count: $0.rank.index), .sum) }
    }
  }

  @Test func aSendThatReliesOnBufferingIsADeadlockAboveTheEagerLimit() throws {
    @Sendable func sendFirst(_ communicator: LocalCommunicator) throws {
      let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: 200, alignment: 1)
      defer { bytes.deallocate() }
      bytes.initializeMemory(as: UInt8.self, repeating: 0)
      let peer = Rank(1 - communicator.rank.index)
      try communicator.wait(communicator.startSend(UnsafeRawBufferPointer(bytes), to: peer, tag: MessageTag(0)))
      try communicator.wait(communicator.startReceive(into: bytes, from: peer, tag: MessageTag(0)))
    }
    try LocalFabric.run(size: 2, eagerByteLimit: 200) { try sendFirst($0) }
    #expect { try LocalFabric.run(size: 2, eagerByteLimit: 199) { try sendFirst($0) } } throws: {
      if case FabricError.deadlock = $0 { true } else { false }
    }
  }

  @Test func requestsAndMessagesLeftBehindAreErrors() {
    #expect(throws: FabricError.unfinishedRequests(rank: Rank(0), count: 1)) {
      try LocalFabric.run(size: 1) { communicator in
        _ = try communicator.startSend(UnsafeRawBufferPointer(start: nil, count: 0), to: Rank(0), tag: MessageTag(0))
      }
    }
    #expect(throws: FabricError.unreceivedMessages(to: Rank(1), count: 1)) {
      try LocalFabric.run(size: 2) { communicator in
        guard communicator.isRoot else { return }
        let nothing = UnsafeRawBufferPointer(start: nil, count: 0)
        try communicator.wait(communicator.startSend(nothing, to: Rank(1), tag: MessageTag(0)))
      }
    }
  }

  @Test func theStallLimitEndsAWait() {
    #expect {
      try LocalFabric.run(size: 2) { communicator in
        communicator.stallLimit = .milliseconds(30)
        if communicator.isRoot { return try receiveByte(communicator, from: 1) }
        // Busy, so that nobody can speak of a deadlock.
        while true { try communicator.poll() }
      }
    } throws: {
      if case FabricError.stalled = $0 { true } else { false }
    }
  }
}

private func receiveByte(_ communicator: LocalCommunicator, from peer: Int) throws {
  let byte = UnsafeMutableRawBufferPointer.allocate(byteCount: 1, alignment: 1)
  defer { byte.deallocate() }
  try communicator.wait(communicator.startReceive(into: byte, from: Rank(peer), tag: MessageTag(0)))
}
