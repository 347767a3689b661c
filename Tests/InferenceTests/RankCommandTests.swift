import Bytes
import ExpertParallelism
import Fabric
import ModelRuntime
import Testing

/// What rank 0 has the others do: read as written, refused when damaged, and heard in order until one says stop.
struct RankCommandTests {
  private static let all: [RankCommand] = [
    .step, .stop, .alignClocks, .probeLinks, .collectAccounts(totalsOnly: false), .collectAccounts(totalsOnly: true),
    .collectRouting, .resetAccounts, .recordAccounts(true), .recordAccounts(false), .loadModel(path: ""),
    .loadModel(path: "/a/b c/ü"), .moveExperts([]),
    .moveExperts([
      ExpertMove(layer: 1, expert: 3, holders: [Rank(2), Rank(0)]), ExpertMove(layer: 4, expert: 0, holders: []),
    ]),
  ]

  private func bytes(_ command: RankCommand) -> [UInt8] {
    var writer = ByteWriter()
    command.write(to: &writer)
    return writer.bytes
  }

  @Test func commandsAreReadAsWritten() throws {
    for command in Self.all {
      var reader = ByteReader(bytes(command))
      #expect(try RankCommand(from: &reader) == command && reader.isAtEnd)
    }
    #expect(Set(Self.all.map(bytes)).count == Self.all.count)
  }

  @Test func commandsCutLengthenedOrUnknownAreRefused() {
    for command in Self.all {
      for count in 0..<bytes(command).count {
        var reader = ByteReader(Array(bytes(command).prefix(count)))
        #expect(throws: RuntimeError.self) { try RankCommand(from: &reader) }
      }
      guard !command.hasBody else { continue }
      var reader = ByteReader(bytes(command) + [0])
      #expect(throws: RuntimeError.self, "\(command)") { try RankCommand(from: &reader) }
    }
    for kind in UInt8(10)...255 {
      var reader = ByteReader([kind])
      #expect(throws: RuntimeError.self) { try RankCommand(from: &reader) }
    }
    // A flag is 0 or 1, and a text no longer than what follows.
    for damaged in [[4, 2], [7, 255], [8, 0xff, 0xff, 0xff, 0xff], [8, 2, 0, 0, 0, 65], [9, 255, 255, 255, 127]]
      as [[UInt8]]
    {
      var reader = ByteReader(damaged)
      #expect(throws: RuntimeError.self) { try RankCommand(from: &reader) }
    }
  }

  @Test(arguments: [1, 2, 3])
  func everyRankHearsEveryCommandAndItsBodyUntilItIsToStop(ranks: Int) throws {
    let heard = try LocalFabric.run(size: ranks) { communicator -> [RankCommand] in
      let commands = RankCommands(communicator)
      guard !communicator.isRoot else {
        for command in Self.all where command != .stop {
          try commands.send(command) { if command.hasBody { $0.write("the plan") } }
        }
        try commands.send(.stop)
        return []
      }
      var heard: [RankCommand] = []
      try commands.follow { message in
        heard.append(message.command)
        #expect(message.waiting <= message.arrived)
        if message.command.hasBody {
          let body = try message.body.readText()
          #expect(body == "the plan")
        }
        #expect(message.body.isAtEnd)
      }
      return heard
    }
    let expected = Self.all.filter { $0 != .stop } + [.stop]
    #expect(heard.dropFirst().allSatisfy { $0 == expected })
  }
}
