import Testing

@testable import Supervision

@Suite struct RestartPolicyTests {
  private final class Policy {
    var policy: RestartPolicy
    init(_ limit: Int?, patience: Duration = .seconds(1800), firstDelay: Duration = .milliseconds(100)) {
      policy = RestartPolicy(
        fruitlessLimit: limit, patience: patience, goodService: .seconds(60), firstDelay: firstDelay)
    }
    @discardableResult
    func ended(
      at time: Duration = .zero, service: Duration? = nil, drew: Bool = false, finished: Bool = false,
      idle: Bool = false
    ) -> RestartPolicy.Decision {
      policy.ended(
        at: time, service: service, hasSampled: drew, finishedRequest: finished, wasIdle: idle, reason: "why")
    }
  }

  @Test func jobsThatNeverDrawATokenAreGivenUpAfterTheLimitWithGrowingWaits() {
    let policy = Policy(3, firstDelay: .seconds(1))
    #expect(policy.ended() == .restart(after: .seconds(1)))
    #expect(policy.ended() == .restart(after: .seconds(2)))
    #expect(policy.ended(service: .seconds(5)) == .restart(after: .seconds(4)))
    guard case .giveUp(let reason) = policy.ended() else {
      Issue.record("a fourth restart")
      return
    }
    #expect(reason.hasPrefix("why (") && reason.contains("4 times in a row"))
  }

  @Test func waitsStayBelowHalfAMinute() {
    let policy = Policy(100)
    var last = RestartPolicy.Decision.restart(after: .zero)
    for _ in 0..<50 { last = policy.ended() }
    #expect(last == .restart(after: .seconds(30)))
  }

  @Test func tokensDrawnAllowMoreRestartsButNotForEver() {
    let policy = Policy(2)
    for _ in 0..<8 { #expect(policy.ended(service: .seconds(1), drew: true) == .restart(after: .milliseconds(100))) }
    guard case .giveUp(let reason) = policy.ended(service: .seconds(1), drew: true) else {
      Issue.record("a ninth restart")
      return
    }
    #expect(reason.contains("restarted 8 times"))
  }

  @Test func hostsThatAreAwayForMinutesAreWaitedForAsLongAsTold() {
    let policy = Policy(nil, patience: .seconds(600), firstDelay: .milliseconds(500))
    var time = Duration.seconds(7)
    var starts = 0
    while true {
      let decision = policy.ended(at: time)
      guard case .restart(let delay) = decision else { break }
      starts += 1
      #expect(delay <= .seconds(30))
      time += delay + .seconds(1)
    }
    #expect(time >= .seconds(607) && time < .seconds(645), "\(time)")
    #expect(starts > 15)
    // What drew tokens meanwhile begins the time anew, and long absence is no mark against good jobs after it.
    let other = Policy(nil, patience: .seconds(600))
    for time in 0..<50 { #expect(other.ended(at: .seconds(time * 10)) != .giveUp(reason: "why")) }
    #expect(other.ended(at: .seconds(599), service: .seconds(1), drew: true) == .restart(after: .milliseconds(100)))
    #expect(other.ended(at: .seconds(1000)) == .restart(after: .milliseconds(100)))
  }

  @Test func withNoPatienceTheFirstFruitlessEndIsTheLast() {
    guard case .giveUp = Policy(nil, patience: .zero).ended(at: .seconds(5)) else {
      Issue.record("a restart")
      return
    }
  }

  @Test func goodServiceWipesTheSlate() {
    let policy = Policy(1)
    for _ in 0..<10 {
      #expect(policy.ended() == .restart(after: .milliseconds(100)))
      #expect(policy.ended(service: .seconds(61), drew: true, finished: true) == .restart(after: .milliseconds(100)))
      #expect(policy.policy.restarts == 1)
    }
    // Long, but nobody was served.
    policy.ended()
    guard case .giveUp = policy.ended(service: .seconds(600)) else {
      Issue.record("a restart")
      return
    }
  }
}
