/// When a job that ended is started again, and when no more.
struct RestartPolicy {
  /// Jobs in a row that may end without having sampled a single token; nil for any number.
  let fruitlessLimit: Int?
  /// For how long jobs may go on ending so: a switch or a host that is started anew needs minutes.
  let patience: Duration
  /// How long a job must serve, with a request finished or none to serve, for what went before to be forgotten.
  let goodService: Duration
  /// The wait after a fruitless start; it doubles with each in a row, up to `longestDelay`.
  let firstDelay: Duration
  static let longestDelay = Duration.seconds(30)
  /// The wait after a job that sampled tokens, or whose end is explained.
  static let shortDelay = Duration.milliseconds(100)
  /// Jobs that sample some tokens and end may be this many times as many: requests come nearer to their ends.
  static let fruitfulFactor = 4
  /// What is multiplied where fruitless starts have no limit of their own.
  static let usualLimit = 5

  enum Decision: Equatable {
    case restart(after: Duration)
    case giveUp(reason: String)
  }

  /// Restarts since the last good service.
  private(set) var restarts = 0
  private var fruitless = 0
  private var fruitful = 0
  private var firstFruitless: Duration?
  /// What a job must have done not to be fruitless, in words.
  private let fruit: String

  init(
    fruitlessLimit: Int?, patience: Duration = .seconds(1800), goodService: Duration,
    firstDelay: Duration = .milliseconds(500), fruit: String = "had sampled a token"
  ) {
    self.fruit = fruit
    (self.fruitlessLimit, self.patience) = (fruitlessLimit, patience)
    (self.goodService, self.firstDelay) = (goodService, firstDelay)
  }

  /// A job has ended at `time`, by any clock that does not go back; it had been ready for `service`, nil for one that
  /// never was.
  mutating func ended(
    at time: Duration, service: Duration?, hasSampled: Bool, finishedRequest: Bool, wasIdle: Bool, reason: String
  ) -> Decision {
    if let service, service >= goodService, finishedRequest || wasIdle { forget() }
    restarts += 1
    (fruitless, fruitful) = hasSampled ? (0, fruitful + 1) : (fruitless + 1, fruitful)
    firstFruitless = hasSampled ? nil : firstFruitless ?? time
    if let fruitlessLimit, fruitless > fruitlessLimit {
      return .giveUp(
        reason:
          "\(reason) (the job was started \(fruitless) times in a row and ended each time before it \(fruit))"
      )
    }
    if let firstFruitless, time - firstFruitless >= patience {
      return .giveUp(
        reason:
          """
          \(reason) (for \(patience.components.seconds) s the job was started again and again, \(fruitless) times, \
          and ended each time before it \(fruit))
          """
      )
    }
    guard fruitful <= (fruitlessLimit ?? Self.usualLimit) * Self.fruitfulFactor else {
      return .giveUp(
        reason:
          "\(reason) (the job was restarted \(fruitful - 1) times without \(goodService) of good service in between)")
    }
    guard fruitless > 0 else { return .restart(after: Self.shortDelay) }
    return .restart(after: min(firstDelay * (1 << min(fruitless - 1, 16)), Self.longestDelay))
  }

  /// What ended the jobs has been found and removed.
  mutating func forget() { (restarts, fruitless, fruitful, firstFruitless) = (0, 0, 0, nil) }
}
