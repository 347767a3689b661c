import Testing
import Threads

@Suite("Threads and what they share")
struct BackgroundThreadTests {
  @Test("a thread runs its body once and is joined")
  func joined() throws {
    let count = Monitor(0)
    let threads = try (0..<8).map { number in
      try BackgroundThread("adder \(number)") { for _ in 0..<1000 { count.change { $0 += 1 } } }
    }
    for thread in threads { thread.join() }
    #expect(count.read { $0 } == 8000)
  }

  @Test("a join with a limit comes back while the thread goes on")
  func limited() throws {
    let mayEnd = Monitor(false)
    let thread = try BackgroundThread("sleeper") { _ = mayEnd.wait { $0 ? true : nil } }
    #expect(!thread.join(atMost: .milliseconds(20)))
    mayEnd.change { $0 = true }
    #expect(thread.join(atMost: .seconds(600)))
  }

  @Test("a stack that no memory holds, or that is none, is an error with the thread's name", arguments: [Int.max, 1])
  func noStack(byteCount: Int) throws {
    let error = #expect(throws: ThreadError.self) { try BackgroundThread("deep", stackByteCount: byteCount) {} }
    #expect(error?.name == "deep")
    #expect(error?.description.hasPrefix("the thread \"deep\" cannot be started: ") == true)
  }

  @Test("a wait sees a change at once, and takes the value")
  func taken() throws {
    let queue = Monitor<[Int]>([])
    let thread = try BackgroundThread("writer") { for number in 1...100 { queue.change { $0.append(number) } } }
    var seen: [Int] = []
    while seen.count < 100 {
      let next = queue.wait(atMost: .seconds(600)) { $0.isEmpty ? nil : $0.removeFirst() }
      seen.append(try #require(next))
    }
    thread.join()
    #expect(seen == Array(1...100))
    #expect(queue.wait(atMost: .zero) { $0.first } == nil)
  }
}
