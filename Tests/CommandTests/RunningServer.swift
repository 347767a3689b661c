import Foundation
import HTTPConnection
import JSON
import Testing

/// A server under way, and what clients ask of it.
final class RunningServer {
  let program: RunningProgram
  let port: Int

  /// Starts `martinet serve` with these options, under mpirun if `ranks` is given, and waits until it is ready. With
  /// `supervisedRanks` the program itself starts the job. `fileLimit`: files it may have open.
  convenience init(_ options: [String], ranks: Int? = nil, supervisedRanks: Int? = nil, fileLimit: Int? = nil) throws {
    var command = (ranks.map { Program.mpirun(ranks: $0) } ?? []) + [Program.path, "serve", "--port", "0"] + options
    if let fileLimit { command = ["prlimit", "--nofile=\(fileLimit):\(fileLimit)"] + command }
    if let supervisedRanks { command += ["--supervise", "--"] + Program.mpirun(ranks: supervisedRanks) }
    try self.init(command: command)
  }

  /// Starts any command that serves, and waits until it is ready.
  init(command: [String]) throws {
    let program = try RunningProgram(command)
    self.program = program
    var port: Int?
    _ = program.waitUntil {
      // "… at http://127.0.0.1:PORT (…"
      if let range = program.errorsSoFar.range(of: "http://127.0.0.1:") {
        let digits = program.errorsSoFar[range.upperBound...].prefix { $0.isNumber }
        if program.errorsSoFar[range.upperBound...].dropFirst(digits.count).first == " " { port = Int(digits) }
      }
      return port != nil
    }
    guard let port else { throw Connection.Failure(description: "no server: \(program.errorsSoFar)") }
    self.port = port
    guard waitUntilReady() else { throw Connection.Failure(description: "not ready: \(program.errorsSoFar)") }
  }

  func waitUntilReady() -> Bool {
    program.waitUntil { (try? get("/ready"))?.status == 200 }
  }

  func get(_ path: String) throws -> Connection.Reply {
    let connection = try Connection(port: port)
    try connection.sendRequest("GET", path, headers: ["Connection: close"])
    return try connection.readReply()
  }

  func post(_ path: String, _ body: JSONValue) throws -> Connection.Reply {
    let connection = try Connection(port: port)
    try connection.sendRequest("POST", path, headers: ["Connection: close"], body: Array(body.text().utf8))
    return try connection.readReply()
  }

  /// The text of a completion, streamed or not.
  func complete(_ body: JSONValue) throws -> String {
    let reply = try post("/v1/completions", body)
    guard reply.status == 200 else { throw Connection.Failure(description: "\(reply.status): \(reply.text)") }
    return reply.choices.map { $0["text"]?.string ?? "" }.joined()
  }

  /// Asks it to end in good order; its exit status, or nil when it does not.
  func drain() -> Int32? {
    kill(program.process.processIdentifier, SIGTERM)
    return program.ends() ? program.process.terminationStatus : nil
  }
}
