/// How a job is started, watched and started again.
package struct SupervisionOptions: Sendable {
  /// The job's program and arguments, most often `mpirun … martinet serve --engine-link …`.
  package var command: [String]
  /// Starts in a row that may end without a token sampled, before no more is tried; nil for any number.
  package var restartLimit: Int?
  /// For how long starts may go on ending without a token sampled.
  package var restartTime = Duration.seconds(1800)
  /// How long nothing may move while a job starts: no rank that comes up, joins or reads.
  package var startLimit = Duration.seconds(300)
  /// Service after which earlier ends are forgotten.
  package var goodService = Duration.seconds(60)
  /// Jobs in a row that a request may end before it is failed.
  package var blameLimit = 3
  /// How long a rank may be in one place of a step; the ranks' watch should have the same.
  package var stallLimit = Duration.seconds(10)
  /// How long rank 0 may be silent once it is ready.
  package var silenceLimit = Duration.seconds(15)
  /// How long a job may take to end: when it was told to, and when it gets SIGTERM.
  package var stopGrace = Duration.seconds(10)
  package var killGrace = Duration.seconds(5)
  /// Where the job's standard error goes, and what there is to say of restarts; whole lines.
  package var log: @Sendable (String) -> Void = { line in say(line) }

  package init(command: [String]) { self.command = command }
}
