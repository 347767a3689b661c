import Fabric

/// What every transport must do, run by each rank: over threads in `FabricTests`, over processes under mpirun.
package struct Scenario: Sendable, CustomStringConvertible {
  package let name: String
  private let body: @Sendable (any Communicator, Buffers) throws -> Void

  package var description: String { name }

  init(name: String, body: @escaping @Sendable (any Communicator, Buffers) throws -> Void) {
    self.name = name
    self.body = body
  }

  package func run(_ communicator: any Communicator) throws {
    try Buffers.with { try body(communicator, $0) }
  }

  /// All of them; each ends with nothing under way, so that they can follow one another.
  package static let all: [Scenario] = messages + collectives + agreements + shared + reductions

  package static func named(_ name: String) -> Scenario? { all.first { $0.name == name } }
}

/// A rank saw something other than it should.
package struct Unexpected: Error, CustomStringConvertible {
  package let description: String
}

func expect(_ condition: Bool, _ message: @autoclosure () -> String) throws {
  guard condition else { throw Unexpected(description: message()) }
}

/// Expects the body to throw an error that passes the test.
func expectError(_ what: String, _ body: () throws -> Void, _ isRight: (FabricError) -> Bool) throws {
  do { try body() } catch let error as FabricError where isRight(error) { return } catch {
    throw Unexpected(description: "\(what): instead of the right error came \(error)")
  }
  throw Unexpected(description: "\(what): no error came")
}

/// Memory for messages that stays until the scenario's end: a variable's own lifetime may end at its last mention,
/// with the message still under way.
final class Buffers {
  private var all: [UnsafeMutableRawBufferPointer] = []

  static func with(_ body: (Buffers) throws -> Void) rethrows {
    let buffers = Buffers()
    defer { for memory in buffers.all { memory.deallocate() } }
    try body(buffers)
  }

  func make(count: Int, _ value: (Int) -> UInt8 = { _ in 0xEE }) -> Buffer {
    let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    for index in 0..<count { bytes[index] = value(index) }
    all.append(bytes)
    return Buffer(bytes: bytes)
  }
}

struct Buffer {
  let bytes: UnsafeMutableRawBufferPointer
  var readOnly: UnsafeRawBufferPointer { UnsafeRawBufferPointer(bytes) }

  func holds(_ count: Int, _ value: (Int) -> UInt8) -> Bool {
    (0..<count).allSatisfy { bytes[$0] == value($0) }
  }
}

/// A byte that depends on who sent it to whom in which message and at which place.
func pattern(_ source: Rank, _ target: Rank, _ salt: Int) -> (Int) -> UInt8 {
  let seed = source.index &* 131 &+ target.index &* 31 &+ salt &* 7
  return { UInt8(truncatingIfNeeded: seed &+ $0 &* 13 &+ $0 >> 8) }
}

extension Communicator {
  var everyone: [Rank] { (0..<size).map { Rank($0) } }
  var next: Rank { Rank((rank.index + 1) % size) }
  var previous: Rank { Rank((rank.index + size - 1) % size) }
}
