import Foundation
import Glibc
import JSON
import Synchronization

/// A server on this machine that answers as its script says, each connection on a thread of its own.
final class ScriptedServer: Sendable {
  struct Request: Sendable {
    var method = ""
    var path = ""
    var headers: [String: String] = [:]
    var body: JSONValue?
    /// How many requests for completions came before it.
    var index = 0
  }

  /// Bytes to send after a pause in seconds; nothing for closing the connection.
  enum Piece: Sendable {
    case send(String, after: Double = 0)
    case wait(Double)
    /// Goes on when so many requests for completions have come, or two minutes have passed in vain: once for all.
    case untilCome(Int)
    case cut
  }

  private struct State {
    var requests: [Request] = []
    var open = 0
    var most = 0
    var isImpatient = false
  }

  let port: UInt16
  private let listener: Int32
  private let state = Mutex(State())
  private let script: @Sendable (Request) -> [Piece]

  var url: String { "http://127.0.0.1:\(port)" }
  /// Requests for completions.
  var requests: [Request] { state.withLock { $0.requests.filter { $0.path.hasSuffix("completions") } } }
  var mostAtOnce: Int { state.withLock { $0.most } }

  init(_ script: @escaping @Sendable (Request) -> [Piece]) throws {
    self.script = script
    signal(SIGPIPE, SIG_IGN)
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    let isBound = withUnsafeMutablePointer(to: &address) {
      $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && listen(descriptor, 128) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw CocoaError(.fileReadUnknown) }
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread { [self] in
      // Its number may be another's as soon as it is closed: whoever uses it does that.
      defer { close(listener) }
      while true {
        let connection = accept(listener, nil, nil)
        guard connection >= 0 else { return }
        Thread.detachNewThread { [self] in serve(connection) }
      }
    }
  }

  /// No more connections are taken. To be called once.
  func stop() { shutdown(listener, Int32(SHUT_RDWR)) }

  private func serve(_ connection: Int32) {
    defer { close(connection) }
    var bytes: [UInt8] = []
    while let request = read(connection, &bytes) {
      var rest = script(request)[...]
      var goesOn = true
      while goesOn, let piece = rest.popFirst() {
        // With the last piece the client knows its end, and may send the next before this thread goes on.
        if rest.isEmpty { leave(request) }
        goesOn = play(piece, on: connection)
      }
      if !rest.isEmpty { leave(request) }
      guard goesOn else { return }
    }
  }

  /// false where the connection is to be closed.
  private func play(_ piece: Piece, on connection: Int32) -> Bool {
    switch piece {
    case .send(let text, let pause):
      if pause > 0 { usleep(UInt32(pause * 1e6)) }
      return write(connection, text)
    case .wait(let pause): usleep(UInt32(pause * 1e6))
    case .untilCome(let count):
      let end = ContinuousClock.now + .seconds(120)
      while requests.count < count, !state.withLock({ $0.isImpatient }) {
        usleep(1000)
        if ContinuousClock.now > end { state.withLock { $0.isImpatient = true } }
      }
    case .cut: return false
    }
    return true
  }

  private func leave(_ request: Request) {
    guard request.path.hasSuffix("completions") else { return }
    state.withLock { $0.open -= 1 }
  }

  private func write(_ connection: Int32, _ text: String) -> Bool {
    let bytes = Array(text.utf8)
    var sent = 0
    while sent < bytes.count {
      let count = bytes.withUnsafeBytes {
        send(connection, $0.baseAddress! + sent, bytes.count - sent, Int32(MSG_NOSIGNAL))
      }
      guard count > 0 else { return false }
      sent += count
    }
    return true
  }

  private func read(_ connection: Int32, _ bytes: inout [UInt8]) -> Request? {
    var buffer = [UInt8](repeating: 0, count: 1 << 16)
    func more() -> Bool {
      let count = recv(connection, &buffer, buffer.count, 0)
      guard count > 0 else { return false }
      bytes += buffer[..<count]
      return true
    }
    var end: Int?
    while end == nil {
      end = bytes.indices.dropLast(3).first { Array(bytes[$0..<$0 + 4]) == [13, 10, 13, 10] }
      if end == nil, !more() { return nil }
    }
    let lines = String(decoding: bytes[..<end!], as: UTF8.self).components(separatedBy: "\r\n")
    var request = Request()
    let first = lines[0].split(separator: " ")
    (request.method, request.path) = (String(first[0]), String(first[1]))
    for line in lines.dropFirst() {
      let pair = line.split(separator: ":", maxSplits: 1)
      request.headers[pair[0].lowercased()] = pair[1].trimmingCharacters(in: .whitespaces)
    }
    bytes.removeFirst(end! + 4)
    let length = request.headers["content-length"].flatMap { Int($0) } ?? 0
    while bytes.count < length { guard more() else { return nil } }
    request.body = try? JSONValue(parsing: bytes[..<length])
    bytes.removeFirst(length)
    state.withLock {
      request.index = $0.requests.count { $0.path.hasSuffix("completions") }
      $0.requests.append(request)
      guard request.path.hasSuffix("completions") else { return }
      $0.open += 1
      $0.most = max($0.most, $0.open)
    }
    return request
  }
}

extension ScriptedServer {
  static func json(_ status: Int, _ value: JSONValue, headers: String = "") -> [Piece] {
    let body = value.text()
    return [
      .send(
        """
        HTTP/1.1 \(status) Status\r\nContent-Type: application/json\r\nContent-Length: \
        \(body.utf8.count)\r\n\(headers)\r\n\(body)
        """
      )
    ]
  }

  static let streamHead = Piece.send(
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n")
  static let streamEnd = Piece.send("0\r\n\r\n")

  static func event(_ data: String, after pause: Double = 0) -> Piece {
    let text = "data: \(data)\n\n"
    return .send("\(String(text.utf8.count, radix: 16))\r\n\(text)\r\n", after: pause)
  }

  /// An answer of `tokens` tokens to `/v1/completions`: the first after `first` seconds, each other after `each`.
  static func answer(tokens: Int, prompt: Int, first: Double, each: Double, usage: Bool = true) -> [Piece] {
    var pieces = [streamHead]
    for index in 0..<tokens {
      pieces.append(
        event(#"{"choices":[{"index":0,"text":"x","finish_reason":null}]}"#, after: index == 0 ? first : each))
    }
    pieces.append(event(#"{"choices":[{"index":0,"text":"","finish_reason":"length"}]}"#))
    if usage {
      pieces.append(
        event(
          #"{"choices":[],"usage":{"prompt_tokens":\#(prompt),"completion_tokens":\#(tokens),"prompt_tokens_details":{"cached_tokens":1}}}"#
        ))
    }
    return pieces + [event("[DONE]"), streamEnd]
  }
}
