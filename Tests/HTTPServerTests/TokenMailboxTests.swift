import EngineAPI
import Testing

@testable import HTTPServer

@Suite struct TokenMailboxTests {
  private func token(_ id: Int32) -> TokenEvent { .token(RequestID(0), SampledToken(id), finish: nil) }

  @Test func eventsComeTogetherAndInOrder() async {
    let mailbox = TokenMailbox(limit: 10)
    for id in 1...3 { #expect(mailbox.push(token(Int32(id)))) }
    #expect(await mailbox.next() == .events([token(1), token(2), token(3)]))
    async let waiting = mailbox.next()
    #expect(mailbox.push(token(4)))
    #expect(await waiting == .events([token(4)]))
  }

  @Test func oneTooManyClosesItAndDropsAll() async {
    let mailbox = TokenMailbox(limit: 2)
    #expect(mailbox.push(token(1)) && mailbox.push(token(2)))
    #expect(!mailbox.push(token(3)))
    #expect(mailbox.push(token(4)), "nothing is kept, and nothing is told again")
    #expect(await mailbox.next() == .closed(.clientTooSlow))
    mailbox.close(.drained)
    #expect(await mailbox.next() == .closed(.clientTooSlow), "the first reason stays")
  }

  @Test func tickWakesWhoWaitsAndNobodyElse() async throws {
    let mailbox = TokenMailbox(limit: 2)
    mailbox.tick()
    #expect(mailbox.push(token(1)))
    mailbox.tick()
    #expect(await mailbox.next() == .events([token(1)]))
    let waiting = Task { await mailbox.next() }
    let ticking = Task {
      while !Task.isCancelled {
        mailbox.tick()
        try await Task.sleep(for: .milliseconds(1))
      }
    }
    #expect(await waiting.value == .tick)
    ticking.cancel()
  }

  @Test func closingWakesWhoWaits() async {
    let mailbox = TokenMailbox(limit: 2)
    let waiting = Task { await mailbox.next() }
    await Task.yield()
    mailbox.close(.clientLeft)
    #expect(await waiting.value == .closed(.clientLeft))
  }
}
