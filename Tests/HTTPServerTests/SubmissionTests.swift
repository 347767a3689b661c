import EngineAPI
import HTTPConnection
import JSON
import Testing

@testable import HTTPServer

/// What becomes of a request's sequences and places when its end comes at an odd moment.
@Suite struct SubmissionTests {
  let model = TestModel.plain

  @Test func aTicketThatWasGivenBackIsForgotten() throws {
    let admission = Admission(queue: 1)
    let ticket = try admission.admit(1, slots: 1)
    admission.leave(ticket)
    admission.onEnd(ticket) { Issue.record("what has left was kept") }
    admission.endAll()
    admission.onEnd(ticket) { Issue.record("what has left was ended again") }
  }

  @Test func sequencesThatAreToEndWhileTheyAreSubmittedDoNotRunOn() async throws {
    var script = FakeEngine.Script(Array(repeating: model.tokens(" king")[0], count: 100_000))
    script.delay = .milliseconds(5)
    script.finish = nil
    let engine = FakeEngine(script)
    engine.facts = FakeEngine.facts(positions: 1 << 20)
    try await TestServer.run(engine) { server in
      // The engine knows the first sequence by then, and not the others.
      engine.onSubmit = { _ in server.modelServer.admission.endAll() }
      let reply = try await server.chat(["n": 3])
      engine.onSubmit = nil
      #expect(reply.status == 503 && reply.errorCode == "server_stopping")
      #expect(engine.submitted.count == 3)
      try await server.eventually("a sequence goes on") { engine.active.isEmpty }
      #expect(server.modelServer.admission.isEmpty)
    }
  }

  @Test func noTaskWaitsForTheEngineToTakeSequences() async throws {
    let engine = model.engine(answering: " there was")
    try await TestServer.run(engine) { server in
      _ = try await server.chat(["n": 2])
      _ = try await server.complete(["n": 2])
      #expect(engine.submitted.count == 4 && engine.taskSubmissions == 0)
    }
  }
}
