"""People."""

from __future__ import annotations

from typing import Any

from sqlalchemy import String
from sqlalchemy.orm import Mapped, mapped_column

from app.database import Base, Dated, Keyed, one_of

ROLES = ("user", "admin")


class User(Keyed, Dated, Base):
    """A person with an account. Names and addresses are unique without regard to case."""

    __tablename__ = "users"
    __table_args__ = (one_of("role", ROLES),)

    username: Mapped[str] = mapped_column(String(40))
    username_folded: Mapped[str] = mapped_column(String(40), unique=True)
    email: Mapped[str] = mapped_column(String(254))
    email_folded: Mapped[str] = mapped_column(String(254), unique=True)
    password_hash: Mapped[str] = mapped_column(String(200))
    display_name: Mapped[str] = mapped_column(String(80), default="")
    bio: Mapped[str] = mapped_column(String(500), default="")
    color: Mapped[str] = mapped_column(String(7), default="#4f7cff")
    settings: Mapped[dict[str, Any]] = mapped_column(default=dict)
    role: Mapped[str] = mapped_column(String(10), default="user")
    is_active: Mapped[bool] = mapped_column(default=True)
