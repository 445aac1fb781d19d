/** Types of the API: who may do what. Passwords are taken and never given back. */

/** A viewer sees everything but secrets and changes nothing but the own password. */
export type Role = "administrator" | "viewer";

/** POST /login. The answer sets the session's cookie; a wrong name and a wrong password are told apart by nobody. */
export interface LoginBody {
  readonly name: string;
  readonly password: string;
}
/** POST /login and GET /session. */
export interface SessionAnswer {
  /** "token" for a program that bears the cluster's token. */
  readonly name: string;
  readonly role: Role;
  /** null: does not expire (the cluster's token). */
  readonly expiresAtMs: number | null;
}
/** POST /login with the header `x-virtustor-token: 1`: for programs, which have no cookies. Sent as `Authorization: Bearer`. */
export interface LoginTokenAnswer extends SessionAnswer {
  readonly token: string;
}
/** POST /logout. */
export interface LogoutAnswer {
  readonly ended: boolean;
}
/** POST /session/password: ends all other sessions of the user and gives a new cookie for this one. */
export interface PasswordBody {
  readonly old: string;
  readonly new: string;
}

export interface UserAnswer {
  readonly name: string;
  readonly role: Role;
  /** When password or role were changed last. */
  readonly changedAtMs: number;
}
/** GET /users. */
export interface UsersAnswer {
  readonly users: readonly UserAnswer[];
}
/** POST /users. */
export interface UserCreateBody {
  readonly name: string;
  readonly role: Role;
  readonly password: string;
}
/** POST /users/:name: either or both; ends the user's sessions. DELETE /users/:name answers UserAnswer. */
export interface UserChangeBody {
  readonly role?: Role;
  readonly password?: string;
}
