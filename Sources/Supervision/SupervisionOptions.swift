/// How a job is started, watched and started again.
package struct SupervisionOptions: Sendable {
  /// The job's program and arguments, most often `mpirun … martinet serve --engine-link …`.
  package var command: [String]
  /// Starts in a row that may end without a token drawn, before no more is tried.
  package var restartLimit = 5
  /// Service after which earlier ends are forgotten.
  package var goodService = Duration.seconds(60)
  /// Jobs in a row that a request may end before it is failed.
  package var blameLimit = 3
  /// How long a rank may be in one place of a step; the ranks' watch should have the same.
  package var stallLimit = Duration.seconds(10)
  /// How long rank 0 may be silent while it has requests.
  package var silenceLimit = Duration.seconds(15)
  /// How long a job may take to end: when it was told to, and when it gets SIGTERM.
  package var stopGrace = Duration.seconds(10)
  package var killGrace = Duration.seconds(5)
  /// Where the job's standard error goes, and what there is to say of restarts; whole lines.
  package var log: @Sendable (String) -> Void = { line in say(line) }

  package init(command: [String]) { self.command = command }
}
