import EngineAPI
import Testing

@testable import Supervision

@Suite struct RequestLedgerTests {
  private func request(_ number: Int, tokens: Int = 100) -> TokenRequest {
    TokenRequest(id: RequestID(number), prompt: [Int32(number)], maxNewTokens: tokens)
  }

  /// Without the handlers.
  private final class Ledger {
    var ledger = RequestLedger(blameLimit: 3)
    func add(_ request: TokenRequest) -> Bool { ledger.add(request) { _ in } }
    func sent() -> [Int] { ledger.takeUnsent().map(\.id.value) }
    @discardableResult
    func note(_ event: TokenEvent) -> TokenEvent? { ledger.note(event)?.0 }
    func cancel(_ number: Int) -> Bool { ledger.cancel(RequestID(number)) }
    @discardableResult
    func end() -> [Int] { ledger.jobEnded().map(\.0.value) }
  }

  private func ledger(_ numbers: Int...) -> Ledger {
    let ledger = Ledger()
    for number in numbers { #expect(ledger.add(request(number))) }
    return ledger
  }

  private func token(_ number: Int, _ token: Int32 = 5, finish: FinishReason? = nil) -> TokenEvent {
    .token(RequestID(number), SampledToken(token), finish: finish)
  }

  @Test func requestsGoToTheNextJobWithWhatWasDelivered() {
    let ledger = ledger(1, 2)
    #expect(ledger.sent() == [1, 2])
    for event in [token(1, 7), token(1, 8), token(2, 9)] { #expect(ledger.note(event) == event) }
    #expect(ledger.end().isEmpty)
    #expect(ledger.ledger.takeUnsent().map(\.sampled) == [[7, 8], [9]])
  }

  @Test func nothingIsToldOfWhatHasEndedOrWasNotSent() {
    let ledger = ledger(1, 2, 3)
    #expect(ledger.note(token(1)) == nil)
    #expect(ledger.sent() == [1, 2, 3])
    #expect(ledger.note(token(1, finish: .stop)) != nil)
    #expect(ledger.note(token(1)) == nil)
    #expect(ledger.cancel(2) && !ledger.cancel(2))
    #expect(ledger.note(token(2)) == nil)
    #expect(ledger.note(.failed(RequestID(3), message: "")) != nil)
    #expect(ledger.ledger.isEmpty)
  }

  @Test func aVectorEndsItsRequestAndCountsAsProgress() {
    let ledger = Ledger()
    var request = request(1, tokens: 0)
    request.pooling = .last
    #expect(ledger.add(request) && ledger.sent() == [1])
    #expect(ledger.end().isEmpty)
    #expect(ledger.sent() == [1] && ledger.ledger.takeUnsent().isEmpty && !ledger.ledger.hasSampled)
    #expect(ledger.note(.embedding(RequestID(1), [1, 2])) == .embedding(RequestID(1), [1, 2]))
    #expect(ledger.ledger.isEmpty && ledger.ledger.hasSampled && ledger.ledger.finishedRequest)
  }

  @Test func aPromptsScoresAreToldOnceAndEndARequestThatDrawsNothing() {
    let ledger = Ledger()
    for (number, count) in [(0, 0), (1, 9)] {
      var request = request(number, tokens: count)
      request.promptLogprobs = 1
      #expect(ledger.add(request))
    }
    #expect(ledger.sent() == [0, 1])
    #expect(
      ledger.note(.prompt(RequestID(0), [], finish: .length)) != nil
        && ledger.note(.prompt(RequestID(1), [], finish: nil)) != nil)
    #expect(ledger.end().isEmpty)
    let again = ledger.ledger.takeUnsent()
    #expect(again.map(\.id.value) == [1] && again[0].promptLogprobs == nil)
  }

  /// The engine says so itself; but if its word is lost, no job must draw one token more.
  @Test func aRequestThatHasAllItAskedForIsFinished() {
    let ledger = Ledger()
    var stopping = request(1)
    stopping.stopTokens = [9]
    #expect(ledger.add(stopping) && ledger.add(request(2, tokens: 2)))
    _ = ledger.sent()
    _ = ledger.note(token(2))
    #expect(ledger.note(token(1, 9)) == token(1, 9, finish: .stop))
    #expect(ledger.note(token(2)) == token(2, finish: .length))
    #expect(ledger.ledger.isEmpty)
  }

  @Test func aRequestOnWhichEveryJobEndsIsGivenUp() {
    let ledger = ledger(1)
    for end in 1...3 {
      #expect(ledger.sent() == [1])
      #expect(ledger.end() == (end == 3 ? [1] : []))
    }
    #expect(ledger.ledger.isEmpty)
  }

  @Test func requestsThatDrawTokensAreNeverBlamed() {
    let ledger = ledger(1, 2)
    for _ in 0..<20 {
      #expect(ledger.sent() == [1, 2])
      _ = (ledger.note(token(1)), ledger.note(token(2)))
      #expect(ledger.end().isEmpty)
    }
  }

  /// Twenty begin together and the job ends at once: one of them is poison, the others must not pay for it.
  @Test(arguments: [1, 7, 20])
  func oneAmongManyIsFoundAndTheOthersLive(poison: Int) {
    let ledger = Ledger()
    for number in 1...20 { #expect(ledger.add(request(number))) }
    var condemned: [Int] = []
    var jobs = 0
    while condemned.isEmpty, jobs < 10 {
      jobs += 1
      while true {
        let numbers = ledger.sent()
        if numbers.contains(poison) || numbers.isEmpty { break }
        for number in numbers { #expect(ledger.note(token(number)) != nil) }
      }
      condemned = ledger.end()
    }
    // One end makes all of them suspects, and three trials make sure.
    #expect(condemned == [poison] && jobs == 4)
    // Those it hid, and those that had begun, all come.
    var all: Set<Int> = []
    while true {
      let numbers = ledger.sent()
      if numbers.isEmpty { break }
      for number in numbers {
        all.insert(number)
        _ = ledger.note(token(number))
      }
    }
    #expect(all == Set(1...20).subtracting([poison]))
  }

  /// None hides behind another, and nobody gives up before they are found: five ends without a token are the limit.
  @Test(arguments: [[1, 2], [1, 2, 3, 4], [2, 5, 6]])
  func severalThatEndEveryJobAreFoundOneAfterAnother(poison: [Int]) {
    let ledger = Ledger()
    for number in 1...6 { #expect(ledger.add(request(number))) }
    var condemned: [[Int]] = []
    for _ in 1...(3 * poison.count + 1) {
      while true {
        let numbers = ledger.sent()
        if numbers.isEmpty || !Set(numbers).isDisjoint(with: poison) { break }
        for number in numbers { _ = ledger.note(token(number)) }
      }
      condemned.append(ledger.end())
    }
    // All are suspects after the first end; then each has its three.
    #expect(condemned == [[]] + poison.flatMap { [[], [], [$0]] })
  }

  @Test func suspectsWaitForThoseCarriedOverAndForEachOther() {
    let ledger = ledger(1, 2, 3)
    _ = ledger.sent()
    _ = ledger.note(token(1))
    ledger.end()
    #expect(ledger.sent() == [1])
    #expect(ledger.sent() == [])
    #expect(ledger.add(request(4)))
    #expect(ledger.sent() == [], "a new one would be a suspect too")
    _ = ledger.note(token(1))
    #expect(ledger.sent() == [2] && ledger.sent() == [])
    #expect(ledger.cancel(2), "a suspect that leaves makes room")
    #expect(ledger.sent() == [3] && ledger.sent() == [])
    _ = ledger.note(token(3))
    #expect(ledger.sent() == [4])
  }

  /// Jobs that are killed at random now and then hit a trial; only the same one three times in a row is no accident.
  @Test func endsThatHitOthersInBetweenAreForgiven() {
    let ledger = ledger(1, 2)
    #expect(ledger.sent() == [1, 2])
    ledger.note(token(2))
    #expect(ledger.end() == [], "1 is blamed")
    #expect(ledger.sent() == [2])
    ledger.note(token(2))
    #expect(ledger.sent() == [1])
    #expect(ledger.end() == [], "1 is blamed once more")
    #expect(ledger.sent() == [2])
    #expect(ledger.end() == [], "2 is blamed, before the trial of 1")
    #expect(ledger.sent() == [2], "which is blamed more: nobody was suspected of that end")
    ledger.note(token(2))
    #expect(ledger.sent() == [1])
    #expect(ledger.end() == [], "1 is blamed, for the first time again")
    #expect(ledger.sent() == [2])
    ledger.note(token(2))
    #expect(ledger.sent() == [1])
    ledger.note(token(1))
    #expect(ledger.end() == [] && ledger.sent() == [1, 2], "both are above suspicion")
  }
}
