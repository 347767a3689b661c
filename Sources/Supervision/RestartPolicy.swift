/// When a job that ended is started again, and when no more.
struct RestartPolicy {
  /// Jobs in a row that may end without having drawn a single token.
  let fruitlessLimit: Int
  /// How long a job must serve, with a request finished or none to serve, for what went before to be forgotten.
  let goodService: Duration
  /// The wait after a fruitless start; it doubles with each in a row, up to `longestDelay`.
  let firstDelay: Duration
  static let longestDelay = Duration.seconds(30)
  /// The wait after a job that drew tokens, or whose end is explained.
  static let shortDelay = Duration.milliseconds(100)
  /// Jobs that draw some tokens and end may be this many times as many: requests come nearer to their ends.
  static let fruitfulFactor = 4

  enum Decision: Equatable {
    case restart(after: Duration)
    case giveUp(reason: String)
  }

  /// Restarts since the last good service.
  private(set) var restarts = 0
  private var fruitless = 0

  init(fruitlessLimit: Int, goodService: Duration, firstDelay: Duration = .milliseconds(500)) {
    (self.fruitlessLimit, self.goodService, self.firstDelay) = (fruitlessLimit, goodService, firstDelay)
  }

  /// A job has ended that had been ready for `service`, nil for one that never was.
  mutating func ended(service: Duration?, drewTokens: Bool, finishedRequest: Bool, wasIdle: Bool, reason: String) -> Decision {
    if let service, service >= goodService, finishedRequest || wasIdle { forget() }
    restarts += 1
    fruitless = drewTokens ? 0 : fruitless + 1
    guard fruitless <= fruitlessLimit else {
      return .giveUp(reason: "\(reason) (the job was started \(fruitless) times in a row and ended each time before it had drawn a token)")
    }
    guard restarts <= fruitlessLimit * Self.fruitfulFactor else {
      return .giveUp(reason: "\(reason) (the job was restarted \(restarts - 1) times without \(goodService) of good service in between)")
    }
    guard fruitless > 0 else { return .restart(after: Self.shortDelay) }
    return .restart(after: min(firstDelay * (1 << min(fruitless - 1, 16)), Self.longestDelay))
  }

  /// What ended the jobs has been found and removed.
  mutating func forget() { (restarts, fruitless) = (0, 0) }
}
