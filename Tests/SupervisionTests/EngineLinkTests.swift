import EngineAPI
import Foundation
import JSON
import SupervisionScenarios
import TestSupport
import Testing

@testable import Supervision

/// The job's end over pipes, with hand-written commands.
@Suite(.timeLimit(.minutes(20)))
struct EngineLinkTests {
  private final class Ends {
    let commands = Pipe()
    let reports = Pipe()
    let engine = ScriptedEngine(ScriptedEngine.Script())
    let link: EngineLink
    let abandoned = Log()
    private var read = ""

    /// `grace`: how long the engine may take to stop; in most tests, any time.
    init(grace: Duration = .seconds(1200)) throws {
      let abandoned = abandoned
      link = EngineLink(
        engine: engine, input: commands.fileHandleForReading.fileDescriptor,
        output: reports.fileHandleForWriting.fileDescriptor, grace: grace, leave: { abandoned.add($0) })
      try link.start()
    }

    func say(_ text: String) { commands.fileHandleForWriting.write(Data(text.utf8)) }

    /// Waits until a status is reported.
    func awaitStatus() throws {
      while !(try messages().contains { if case .status = $0 { true } else { false } }) {
        read += String(decoding: reports.fileHandleForReading.availableData, as: UTF8.self)
      }
    }

    /// All messages until the link ends.
    func finish() throws -> [LinkReport] {
      link.finish(atMost: .seconds(1200))
      try reports.fileHandleForWriting.close()
      read += String(decoding: reports.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      return try messages()
    }

    /// Those of whole lines.
    private func messages() throws -> [LinkReport] {
      let whole = read.lastIndex(of: "\n").map { read[..<$0] } ?? ""
      return try whole.split(separator: "\n").map { line in
        try LinkReport(json: try #require(try LinkLine.message(in: String(line))))
      }
    }
  }

  @Test func commandsAreCarriedOutAndReported() throws {
    let ends = try Ends()
    let request = TokenRequest(id: RequestID(4), prompt: [1], maxNewTokens: 3)
    ends.say("noise\n\n" + LinkLine.text(LinkCommand.submit(request).json) + LinkLine.text(LinkCommand.status.json))
    ends.say(LinkLine.text(LinkCommand.rebalance.json) + LinkLine.text(LinkCommand.stop.json))
    ends.engine.run()
    let reports = try ends.finish()
    #expect(ends.engine.rebalances == 1)
    #expect(reports.first == .hello(version: LinkReport.version))
    let tokens = reports.flatMap { report -> [TokenEvent] in if case .events(let events) = report { events } else { [] }
    }
    #expect(tokens.count == 4 && tokens.last?.isLast == true)
    #expect(reports.contains { if case .status = $0 { true } else { false } })
    // What was asked for stands behind it where the writer wrote all at once.
    let states = reports.filter { if case .state = $0 { true } else { false } }
    guard case .state(.stopped, let facts) = try #require(states.last) else {
      Issue.record("\(reports)")
      return
    }
    #expect(facts?.family == "scripted")
  }

  /// The next job will take it.
  @Test(arguments: [false, true]) func whatAnEngineRefusesThatEndedByItselfHasNotFailed(isCommanded: Bool) throws {
    let ends = try Ends()
    if isCommanded { ends.say(LinkLine.text(LinkCommand.stop.json)) } else { ends.engine.stop() }
    ends.engine.run()
    ends.say(LinkLine.text(LinkCommand.submit(TokenRequest(id: RequestID(5), prompt: [1], maxNewTokens: 3)).json))
    // Commands are carried out in their order.
    ends.say(LinkLine.text(LinkCommand.status.json))
    try ends.awaitStatus()
    let failed = LinkReport.events([.failed(RequestID(5), message: "the engine has stopped")])
    #expect(try ends.finish().contains(failed) == isCommanded)
  }

  @Test func manyEventsAreManyLines() {
    let top = (0..<20).map { Candidate(token: $0, logprob: -1) }
    let tokens = Array(repeating: SampledToken(1, logprob: -1, top: top), count: 100)
    let events = (0..<40).map { TokenEvent.prompt(RequestID($0), tokens, finish: .length) }
    let lines = EngineLink.lines(of: events)
    #expect(lines.flatMap(\.self) == events && lines.allSatisfy { (1...8).contains($0.count) })
    #expect(EngineLink.lines(of: []).isEmpty)
  }

  @Test func commandsThatAreNoneDoNotEndIt() throws {
    let ends = try Ends()
    ends.say("@martinet {\n@martinet []\n@martinet {\"command\":\"dance\"}\n@martinet {\"command\":\"cancel\"}\n")
    ends.say("@martinet {\"command\":\"submit\",\"request\":{\"id\":7}}\n")
    ends.say(LinkLine.text(LinkCommand.stop.json))
    ends.engine.run()
    let reports = try ends.finish()
    #expect(
      reports.contains(
        .events([.failed(RequestID(7), message: "a message on the link is not of the protocol: prompt is missing")])))
  }

  @Test func theEndOfInputStopsTheEngine() throws {
    let ends = try Ends()
    let request = TokenRequest(id: RequestID(4), prompt: [1], maxNewTokens: 1 << 30)
    ends.say(LinkLine.text(LinkCommand.submit(request).json))
    try ends.commands.fileHandleForWriting.close()
    ends.engine.run()
    #expect(ends.abandoned.text.isEmpty)
    // Its threads have ended before the pipes' numbers are others'.
    ends.link.finish(atMost: .seconds(1200))
  }

  @Test func anEngineThatDoesNotStopIsLeft() throws {
    let ends = try Ends(grace: .milliseconds(300))
    try ends.commands.fileHandleForWriting.close()
    #expect(eventually { ends.abandoned.text.contains("does not stop") })
    ends.link.finish(atMost: .seconds(1200))
  }

  @Test func linesAreBoundedAndMayComeInPieces() throws {
    let pipe = Pipe()
    var reader = LineReader(pipe.fileHandleForReading.fileDescriptor, limit: 1000)
    func next() -> String {
      switch reader.next(isAbandoned: { true }) {
      case .line(let line): line
      case .end: "end"
      case .abandoned: "nothing"
      case .failed(let error): "\(error)"
      }
    }
    let writing = pipe.fileHandleForWriting
    writing.write(Data("one\ntw".utf8))
    #expect(next() == "one" && next() == "nothing")
    writing.write(Data("o\n\n".utf8 + [0xff, 10]))
    #expect(next() == "two" && next() == "" && next() == "\u{fffd}" && next() == "nothing")
    writing.write(Data(repeating: 65, count: 1001))
    #expect(next().contains("longer than 1000 bytes"))
  }
}
